from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from dropreel.jobs.naming import execution_name, job_id, output_folder
from tests.support.fuzz import fuzzed

keys = st.text(min_size=1).filter(lambda key: 0 < len(key.encode(errors="ignore")) <= 1024)
settings = {"prompt": "x", "take": 1}


def test_the_same_drop_is_the_same_job_in_any_order_of_fields() -> None:
    one = job_id("inbox", "a.jpg", '"e"', {"prompt": "x", "take": 1})
    assert one == job_id("inbox", "a.jpg", '"e"', {"take": 1, "prompt": "x"})
    assert re.fullmatch("[0-9a-f]{24}", one)


def test_another_image_key_version_or_setting_is_another_job() -> None:
    ids = {
        job_id("inbox", "a.jpg", '"e"', settings),
        job_id("other", "a.jpg", '"e"', settings),
        job_id("inbox", "b.jpg", '"e"', settings),
        job_id("inbox", "a.jpg", '"f"', settings),
        job_id("inbox", "a.jpg", '"e"', {**settings, "prompt": "y"}),
        job_id("inbox", "a.jpg", '"e"', {**settings, "take": 2}),
    }
    assert len(ids) == 6


def test_people_recognise_their_file_in_the_executions_name() -> None:
    name = execution_name("a/b/Große Schuhe (rot).JPG", "0" * 24, 1)
    assert name == f"Groe-Schuhe-rot-{'0' * 24}"
    assert execution_name("a/b.jpg", "0" * 24, 3) == f"b-{'0' * 24}-3"


@fuzzed(200)
@given(st.text(), st.integers(1, 999))
def test_an_executions_name_is_always_legal(key: str, run: int) -> None:
    assert re.fullmatch("[0-9A-Za-z_-]{24,80}", execution_name(key, "0" * 24, run))


def test_clips_lie_below_the_images_path() -> None:
    assert output_folder("a/b/photo.jpg") == "clips/a/b/photo"
    assert output_folder("../a//./photo.jpg") == "clips/_/a/_/_/photo"


@fuzzed(200)
@given(keys)
def test_a_folder_for_clips_is_always_legal_and_leaves_room_for_the_file(key: str) -> None:
    folder = output_folder(key)
    assert len(folder.encode(errors="surrogatepass")) <= 1024 - 64
    assert not {"", ".", ".."} & set(folder.split("/"))


def test_two_very_long_keys_do_not_share_a_folder() -> None:
    one, other = (output_folder(f"{'ü' * 505}{letter}.jpg") for letter in "ab")
    assert one != other
    assert one.startswith("clips/üüü")
