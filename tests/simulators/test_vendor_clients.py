"""The vendors' own clients, unchanged but for the address, are the judges of the wire format."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import fal_client
import httpx
import pytest
from luma_agents import Luma
from luma_agents.types import Generation
from PIL import Image

from local.simulators import Simulators
from local.simulators.render import cover
from tests.simulators.caller import FAL_ENDPOINT, KEYS, until
from tests.simulators.films import difference, watch

ARGUMENTS = {"prompt": "A slow rise", "resolution": "540p", "duration": "5s"}


@pytest.fixture
def real_time(clip_cache: Path) -> Iterator[Simulators]:
    with Simulators(keys=KEYS, render_seconds=0.1, cache_dir=clip_cache) as simulators:
        yield simulators


@pytest.fixture
def fal_sdk(
    real_time: Simulators, monkeypatch: pytest.MonkeyPatch
) -> Iterator[fal_client.SyncClient]:
    monkeypatch.setattr("fal_client.client.QUEUE_URL_FORMAT", real_time.base_url("fal") + "/")
    client = fal_client.SyncClient(key=KEYS["fal"])
    yield client
    client._client.close()  # it offers no way to close itself


@pytest.fixture
def luma_sdk(real_time: Simulators) -> Iterator[Luma]:
    base = real_time.base_url("luma")
    with Luma(auth_token=KEYS["luma"], base_url=base, max_retries=0) as client:
        yield client


def assert_it_is_the_photo_in_motion(content: bytes, photo: bytes) -> None:
    film = watch(content)
    still = cover(Image.open(BytesIO(photo)), film.width, film.height)
    assert (film.width, film.height, film.seconds, film.frames) == (960, 540, 5.0, 120)
    assert difference(film.first, still) < 4
    assert difference(film.first, film.last) > 6


def test_fal_client_submits_polls_and_reads_the_result(
    fal_sdk: fal_client.SyncClient, image_url: str, photo: bytes, http: httpx.Client
) -> None:
    handle = fal_sdk.submit(FAL_ENDPOINT, {**ARGUMENTS, "image_url": image_url})
    first = handle.status()
    result = handle.get(interval=0.02)
    assert isinstance(first, fal_client.Queued | fal_client.InProgress)
    assert isinstance(handle.status(with_logs=True), fal_client.Completed)
    assert_it_is_the_photo_in_motion(http.get(result["video"]["url"]).content, photo)


def test_fal_client_finds_a_job_by_its_id_and_cancels_it(
    fal_sdk: fal_client.SyncClient, image_url: str, real_time: Simulators
) -> None:
    prompt = "A slow rise [sim: render=60]"
    arguments = {**ARGUMENTS, "prompt": prompt, "image_url": image_url}
    request_id = fal_sdk.submit(FAL_ENDPOINT, arguments).request_id
    fal_sdk.cancel(FAL_ENDPOINT, request_id)
    assert [job.state for job in real_time.jobs("fal")] == ["cancelled"]


def test_fal_client_raises_the_error_that_shows_only_on_the_result(
    fal_sdk: fal_client.SyncClient, image_url: str
) -> None:
    prompt = "A slow rise [sim: end=moderated]"
    arguments = {**ARGUMENTS, "prompt": prompt, "image_url": image_url}
    handle = fal_sdk.submit(FAL_ENDPOINT, arguments)
    with pytest.raises(fal_client.FalClientHTTPError, match="content_policy") as caught:
        handle.get(interval=0.02)
    assert caught.value.status_code == 422


def test_fal_client_retries_a_submit_that_was_lost_and_so_pays_twice(
    fal_sdk: fal_client.SyncClient, image_url: str, real_time: Simulators
) -> None:
    prompt = "A slow rise [sim: submit=drop-after times=1]"
    fal_sdk.submit(FAL_ENDPOINT, {**ARGUMENTS, "prompt": prompt, "image_url": image_url})
    assert real_time.accepted("fal") == 2


def generate(client: Luma, image_url: str, prompt: str = "A slow rise") -> Generation:
    made = client.generations.create(
        model="ray-3.2",
        type="video",
        prompt=prompt,
        aspect_ratio="16:9",
        video={"resolution": "540p", "duration": "5s", "start_frame": {"url": image_url}},
    )
    ended = ("completed", "failed")
    until(lambda: client.generations.get(made.id).state in ended)
    return client.generations.get(made.id)


def test_luma_agents_completes_a_job(
    luma_sdk: Luma, image_url: str, photo: bytes, http: httpx.Client
) -> None:
    generation = generate(luma_sdk, image_url)
    assert generation.output
    assert_it_is_the_photo_in_motion(http.get(generation.output[0].url).content, photo)


def test_luma_agents_reads_why_a_job_failed(luma_sdk: Luma, image_url: str) -> None:
    generation = generate(luma_sdk, image_url, "A slow rise [sim: end=moderated]")
    assert (generation.state, generation.failure_code) == ("failed", "content_moderated")


def test_luma_agents_checks_a_key_by_listing_files(luma_sdk: Luma) -> None:
    assert luma_sdk.files.list(limit=1).data == []
