from __future__ import annotations

import threading
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from local.simulators.clips import ClipShelf
from local.simulators.render import ClipSpec, RenderStoppedError, cover, frame_size, render
from tests.simulators.films import difference, jpeg, watch

SMALL = ClipSpec(width=320, height=180, frames=24)


def rendered(content: bytes, spec: ClipSpec, directory: Path) -> bytes:
    target = directory / "clip.mp4"
    render(content, spec, target)
    return target.read_bytes()


@pytest.mark.parametrize(
    ("resolution", "ratio", "size"),
    [
        ("540p", "16:9", (960, 540)),
        ("720p", "16:9", (1280, 720)),
        ("1080p", "16:9", (1920, 1080)),
        ("540p", "9:16", (540, 960)),
        ("720p", "1:1", (720, 720)),
        ("540p", "21:9", (1260, 540)),
        ("720p", "4:3", (960, 720)),
        ("1080p", "3:4", (1080, 1440)),
        ("540p", "1:3", (540, 1620)),
        ("360p", "16:9", (640, 360)),
    ],
)
def test_the_frame_has_the_resolution_as_its_short_side(
    resolution: str, ratio: str, size: tuple[int, int]
) -> None:
    assert frame_size(resolution, ratio) == size


def test_five_seconds_are_120_frames_and_ten_are_240() -> None:
    assert ClipSpec.of("540p", "16:9", "5s").frames == 120
    assert ClipSpec.of("540p", "16:9", "10s").frames == 240


def test_a_clip_is_h264_at_24_frames_a_second_and_starts_on_the_image(
    photo: bytes, tmp_path: Path
) -> None:
    film = watch(rendered(photo, SMALL, tmp_path))
    still = cover(Image.open(BytesIO(photo)), 320, 180)
    assert (film.codec, film.pixels, film.rate) == ("h264", "yuv420p", 24.0)
    assert (film.width, film.height, film.frames, film.seconds) == (320, 180, 24, 1.0)
    assert difference(film.first, still) < 5
    assert difference(film.first, film.last) > difference(film.first, still) + 3


def test_a_loop_ends_where_it_began_and_moves_in_between(photo: bytes, tmp_path: Path) -> None:
    spec = ClipSpec(width=320, height=180, frames=24, loop=True)
    film = watch(rendered(photo, spec, tmp_path))
    assert difference(film.first, film.last) < 2
    assert difference(film.first, film.middle) > 5


def test_the_index_comes_first_or_last_as_asked(photo: bytes, tmp_path: Path) -> None:
    first = rendered(photo, SMALL, tmp_path)
    last = rendered(photo, ClipSpec(320, 180, 24, faststart=False), tmp_path)
    assert first.find(b"moov") < first.find(b"mdat")
    assert last.find(b"moov") > last.find(b"mdat")


def test_an_image_taken_sideways_is_turned_upright() -> None:
    upright = Image.new("RGB", (200, 100), "red")
    upright.paste("blue", (100, 0, 200, 100))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to the right
    content = jpeg(upright.rotate(90, expand=True), exif=exif)
    assert difference(cover(Image.open(BytesIO(content)), 200, 100), upright) < 5


def test_a_render_stops_when_the_server_closes(photo: bytes, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(RenderStoppedError):
        render(photo, SMALL, tmp_path / "clip.mp4", stop)


def test_equal_clips_are_rendered_once(photo: bytes, tmp_path: Path) -> None:
    shelf = ClipShelf(2, tmp_path)
    image = shelf.keep_image(photo)
    threads = [threading.Thread(target=shelf.clip, args=(image, SMALL)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shelf.close()
    assert shelf.rendered == 1


def test_a_shelf_without_a_directory_leaves_nothing_behind(photo: bytes) -> None:
    shelf = ClipShelf(1)
    clip = shelf.clip(shelf.keep_image(photo), SMALL)
    assert clip.exists()
    shelf.close()
    assert not clip.parent.exists()
