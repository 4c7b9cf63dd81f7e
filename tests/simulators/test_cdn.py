"""Result files: signed addresses, ranges, keys that do not belong there, damage."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx
import pytest

from tests.simulators.caller import KEYS, Caller
from tests.simulators.conftest import Start
from tests.simulators.films import watch


def clip(caller: Caller, prompt: str = "A slow rise") -> tuple[str, str]:
    job_id = caller.finished(prompt)
    return job_id, caller.clip_url(job_id)


def test_a_clip_has_its_length_type_and_tag(caller: Caller) -> None:
    response = caller.http.get(clip(caller)[1])
    assert response.headers["Content-Type"] == "video/mp4"
    assert int(response.headers["Content-Length"]) == len(response.content)
    assert response.headers["ETag"]
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.content[4:8] == b"ftyp"


def test_head_tells_the_same_without_the_body(fal: Caller) -> None:
    url = clip(fal)[1]
    head, whole = fal.http.head(url), fal.http.get(url)
    assert head.content == b""
    assert head.headers["Content-Length"] == whole.headers["Content-Length"]
    assert head.headers["ETag"] == whole.headers["ETag"]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-99", 0, 99), ("bytes=100-", 100, -1), ("bytes=-50", -50, -1)],
)
def test_parts_can_be_asked_for(fal: Caller, asked: str, first: int, last: int) -> None:
    url = clip(fal)[1]
    whole = fal.http.get(url).content
    size = len(whole)
    start, end = first % size, last % size
    part = fal.http.get(url, headers={"Range": asked})
    assert part.status_code == 206
    assert part.headers["Content-Range"] == f"bytes {start}-{end}/{size}"
    assert part.content == whole[start : end + 1]


def test_a_part_of_another_version_is_the_whole(fal: Caller) -> None:
    headers = {"Range": "bytes=0-9", "If-Range": '"other"'}
    assert fal.http.get(clip(fal)[1], headers=headers).status_code == 200


def test_a_part_beyond_the_end_is_416(fal: Caller) -> None:
    response = fal.http.get(clip(fal)[1], headers={"Range": "bytes=999999999-"})
    assert response.status_code == 416


def test_an_address_ends(start: Start, http: httpx.Client, image_url: str) -> None:
    luma = Caller("luma", start(url_life={"luma": 30}), http, image_url)
    job_id, url = clip(luma)
    assert http.get(url).status_code == 200
    luma.simulators.advance(31)  # addresses are dated in whole seconds
    response = http.get(url)
    assert response.status_code == 403
    assert "<Code>AccessDenied</Code><Message>Request has expired</Message>" in response.text
    assert http.get(luma.clip_url(job_id)).status_code == 200


def test_an_address_cannot_be_changed(caller: Caller) -> None:
    url = clip(caller)[1]
    response = caller.http.get(url.replace("X-Amz-Expires=", "X-Amz-Expires=9"))
    assert response.status_code == 403
    assert "SignatureDoesNotMatch" in response.text


def test_a_clip_that_is_not_there_is_404(caller: Caller) -> None:
    job_id, url = clip(caller)
    missing = url.replace(job_id, "0" * 8 + job_id[8:])
    assert caller.http.get(missing).status_code == 404


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
@pytest.mark.parametrize("provider", ["eachlabs", "fal", "luma"])
def test_a_key_on_the_way_to_storage_is_refused_and_counted(caller: Caller, header: str) -> None:
    url = clip(caller)[1]
    assert caller.http.get(url, headers={header: KEYS[caller.provider]}).status_code == 400
    assert caller.simulators.keys_seen_on_cdn == 1


def test_the_own_files_of_oxen_may_be_asked_for_with_the_key(oxen: Caller) -> None:
    assert oxen.http.get(clip(oxen)[1], headers=oxen.headers).status_code == 200
    assert oxen.simulators.keys_seen_on_cdn == 0


def test_a_client_that_takes_its_key_to_the_other_host_is_seen(oxen: Caller) -> None:
    url = clip(oxen, "[sim: result=redirect-offhost]")[1]
    redirect = oxen.http.get(url, headers=oxen.headers)
    there = redirect.headers["Location"]
    assert oxen.http.get(there, headers=oxen.headers).status_code == 400
    assert oxen.simulators.keys_seen_on_cdn == 1
    assert oxen.http.get(there).status_code == 200


def test_an_address_can_be_on_another_host(caller: Caller) -> None:
    url = clip(caller, "[sim: host=other]")[1]
    assert urlsplit(url).hostname == "localhost"
    assert caller.http.get(url).status_code == 200


# --- damage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [403, 404, 500, 503])
def test_a_download_can_fail_and_then_pass(caller: Caller, code: int) -> None:
    url = clip(caller, f"[sim: result={code} times=1]")[1]
    assert [caller.http.get(url).status_code for _ in range(2)] == [code, 200]


def test_an_expired_address_needs_a_new_one(caller: Caller) -> None:
    job_id, url = clip(caller, "[sim: result=expired]")
    assert [caller.http.get(url).status_code for _ in range(2)] == [403, 403]
    fresh = caller.clip_url(job_id)
    assert fresh != url
    assert caller.http.get(fresh).status_code == 200


def test_a_download_can_break_off_and_be_taken_up_again(fal: Caller) -> None:
    url = clip(fal, "[sim: result=drop:1000 times=1]")[1]
    with pytest.raises(httpx.RemoteProtocolError), fal.http.stream("GET", url) as response:
        begun = b"".join(part for part in response.iter_raw())
    begun = fal.http.get(url).content[:1000]
    rest = fal.http.get(url, headers={"Range": "bytes=1000-"})
    assert watch(begun + rest.content).frames == 120


def test_a_file_can_be_cut_short_with_a_length_that_agrees(fal: Caller) -> None:
    whole = fal.http.get(clip(fal)[1])
    half = fal.http.get(clip(fal, "[sim: result=truncated]")[1])
    assert len(half.content) == len(whole.content) // 2
    assert int(half.headers["Content-Length"]) == len(half.content)


@pytest.mark.parametrize(
    ("damage", "begins"),
    [("html", b"<!doctype"), ("empty", b""), ("not-mp4", b"GIF89a")],
)
def test_something_else_can_come_than_a_clip(fal: Caller, damage: str, begins: bytes) -> None:
    response = fal.http.get(clip(fal, f"[sim: result={damage}]")[1])
    assert response.status_code == 200
    assert response.content[: len(begins) or 1] == begins


def test_a_wrong_video_is_a_real_one_of_another_kind(fal: Caller) -> None:
    film = watch(fal.http.get(clip(fal, "[sim: result=wrong-video]")[1]).content)
    assert (film.width, film.height, film.seconds) == (320, 180, 1.0)


def test_an_index_at_the_end_is_the_same_clip(fal: Caller) -> None:
    first = fal.http.get(clip(fal)[1]).content
    last = fal.http.get(clip(fal, "[sim: faststart=0]")[1]).content
    assert first.find(b"moov") < first.find(b"mdat")
    assert last.find(b"moov") > last.find(b"mdat")


def test_a_redirect_can_stay_on_the_host(caller: Caller) -> None:
    url = clip(caller, "[sim: result=redirect]")[1]
    redirect = caller.http.get(url)
    assert redirect.status_code == 302
    assert urlsplit(redirect.headers["Location"]).netloc == urlsplit(url).netloc
    assert caller.http.get(url, follow_redirects=True).status_code == 200


def test_a_redirect_can_leave_the_host(caller: Caller) -> None:
    url = clip(caller, "[sim: result=redirect-offhost]")[1]
    redirect = caller.http.get(url)
    assert urlsplit(redirect.headers["Location"]).hostname == "localhost"
    assert caller.http.get(url, follow_redirects=True).status_code == 200


def test_a_redirect_can_go_on_for_ever(fal: Caller) -> None:
    with pytest.raises(httpx.TooManyRedirects):
        fal.http.get(clip(fal, "[sim: result=redirect-loop]")[1], follow_redirects=True)


def test_a_redirect_can_lead_to_an_address_that_is_not_public(caller: Caller) -> None:
    url = clip(caller, "[sim: result=redirect-private times=1]")[1]
    redirect = caller.http.get(url)
    assert redirect.status_code == 302
    assert ip_address(str(urlsplit(redirect.headers["Location"]).hostname)).is_link_local
    assert caller.http.get(url).status_code == 200


def test_a_clip_can_be_of_another_length(fal: Caller) -> None:
    film = watch(fal.http.get(clip(fal, "[sim: result=other-length]")[1]).content)
    assert (film.width, film.height, film.seconds) == (960, 540, 2.5)


def test_a_clip_can_be_of_another_shape(fal: Caller) -> None:
    film = watch(fal.http.get(clip(fal, "[sim: result=other-shape]")[1]).content)
    assert (film.width, film.height, film.seconds) == (360, 640, 5.0)


def test_a_file_can_come_without_a_length(fal: Caller) -> None:
    response = fal.http.get(clip(fal, "[sim: result=no-length]")[1])
    assert "Content-Length" not in response.headers
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert watch(response.content).frames == 120


def test_a_file_can_be_slow(fal: Caller) -> None:
    url = clip(fal, "[sim: result=slow:30]")[1]
    with pytest.raises(httpx.ReadTimeout):
        fal.http.get(url, timeout=0.2)


def test_a_header_can_be_too_large(fal: Caller) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        fal.http.get(clip(fal, "[sim: result=huge-header]")[1])


def test_a_file_can_be_far_too_large(fal: Caller) -> None:
    url = clip(fal, "[sim: result=big:3000]")[1]
    with fal.http.stream("GET", url) as response:
        assert int(response.headers["Content-Length"]) > 3000 << 20
