from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.drops.pairing import (
    images_of,
    is_image,
    is_sidecar,
    listing_prefix,
    near_misses,
    sidecars_of,
)

names = st.text(min_size=1, max_size=40).filter(lambda name: "/" not in name)
folders = st.lists(names, max_size=3).map(lambda parts: "".join(f"{part}/" for part in parts))
endings = st.sampled_from([".jpg", ".JPG", ".Jpeg", ".png", ".WebP"])
sidecar_endings = st.sampled_from([".json", ".JSON", ".Json"])


@pytest.mark.parametrize("key", ["a/photo.JPG", "photo.jpeg", "ü +%20/photo.WebP", "x.y.gif"])
def test_pictures_are_known_by_their_ending_in_any_case(key: str) -> None:
    assert is_image(key)
    assert not is_sidecar(key)


@pytest.mark.parametrize("key", ["a/photo", "photo.svg", "jpg", "a.jpg/", "a.jpg/b", ""])
def test_other_files_are_not_pictures(key: str) -> None:
    assert not is_image(key)


def test_the_sidecar_with_the_full_name_wins() -> None:
    keys = ["a/photo.jpg", "a/photo.json", "a/photo.jpg.json"]
    assert sidecars_of("a/photo.jpg", keys) == ["a/photo.jpg.json"]
    assert sidecars_of("a/photo.jpg", keys[:2]) == ["a/photo.json"]
    assert sidecars_of("a/photo.jpg", keys[:1]) == []


def test_a_sidecar_of_another_name_or_folder_does_not_count() -> None:
    keys = ["a/Photo.json", "photo.json", "a/photo2.json", "b/photo.json", "a/photo.png.json"]
    assert sidecars_of("a/photo.jpg", keys) == []


def test_a_short_sidecar_speaks_for_every_image_of_its_name() -> None:
    keys = ["a/photo.png", "a/photo.jpg", "a/photo.json", "a/photos.jpg"]
    assert images_of("a/photo.json", keys) == ["a/photo.jpg", "a/photo.png"]


def test_a_full_sidecar_speaks_for_its_image_alone() -> None:
    keys = ["a/photo.png", "a/photo.jpg", "a/photo.jpg.json"]
    assert images_of("a/photo.jpg.json", keys) == ["a/photo.jpg"]


@given(folders, names, endings, sidecar_endings, st.booleans())
def test_both_directions_agree_and_the_listing_finds_the_partner(
    folder: str, name: str, ending: str, sidecar_ending: str, full: bool
) -> None:
    image = f"{folder}{name}{ending}"
    sidecar = f"{image if full else folder + name}{sidecar_ending}"
    assert sidecars_of(image, [image, sidecar]) == [sidecar]
    assert images_of(sidecar, [image, sidecar]) == [image]
    assert sidecar.startswith(listing_prefix(image))
    assert image.startswith(listing_prefix(sidecar))


@pytest.mark.parametrize("sidecar", ["a/Photo.json", "a/photo .txt", "a/PHOTO.jpeg.json"])
def test_a_lone_file_of_nearly_the_same_name_was_probably_meant(sidecar: str) -> None:
    keys = ["a/photo.jpg", sidecar, "a/other.json"]
    assert near_misses("a/photo.jpg", keys) == [sidecar]
    assert near_misses(sidecar, keys) == ["a/photo.jpg"]


def test_a_file_that_has_its_partner_was_not_meant() -> None:
    keys = ["a/photo.jpg", "a/Photo.json", "a/Photo.jpg"]
    assert near_misses("a/photo.jpg", keys) == []
