"""Looking for a job whose submit got no answer."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone

import pytest

from dropreel.providers.search import MAX_PAGES, SEARCH_S, Search, iso_time, same_image
from tests.support.providers import CLIPS, Step, adapter, fault, says

SINCE = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
UNTIL = SINCE + timedelta(minutes=5)
MADE = "2026-11-20T12:01:00Z"
CLIP = CLIPS["5s"]


def searched(
    made: object = MADE,
    prompt: object = CLIP.prompt,
    image: object = CLIP.image_url,
    listed_id: object = "job-1",
) -> list[str] | None:
    search = Search(CLIP, SINCE, UNTIL)
    search.check(listed_id, made, prompt, image)
    return search.ids()


def test_a_job_of_the_same_prompt_image_and_time_is_ours() -> None:
    assert searched() == ["job-1"]


def test_the_signature_of_the_image_does_not_matter() -> None:
    assert searched(image=CLIP.image_url.split("?")[0] + "?X-Amz-Signature=other") == ["job-1"]


def test_folded_blanks_are_the_same_prompt() -> None:
    assert searched(prompt=f" {CLIP.prompt.replace(' ', '  ')}\n") == ["job-1"]


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": CLIP.prompt + "!"},
        {"prompt": ""},
        {"made": "2026-11-20T11:58:00Z"},
        {"made": "2026-11-20T12:07:00Z"},
        {"image": "https://drops.s3.us-west-2.amazonaws.com/sources/other.jpg"},
        {"prompt": "another", "made": None, "image": None},
    ],
)
def test_a_job_that_differs_is_not_ours(other: dict[str, object]) -> None:
    assert searched(**other) == []


@pytest.mark.parametrize(
    "hidden",
    [
        {"prompt": None},
        {"prompt": ["a"]},
        {"made": None},
        {"made": "yesterday"},
        {"image": None},
        {"image": []},
        {"image": "not an address"},
        {"image": "https://cdn.provider.example/copies/1.jpg"},
        {"listed_id": None},
        {"listed_id": ".."},
    ],
)
def test_a_job_that_does_not_tell_enough_is_neither_claimed_nor_ruled_out(
    hidden: dict[str, object],
) -> None:
    assert searched(**hidden) is None


def test_a_match_counts_although_another_job_is_unclear() -> None:
    search = Search(CLIP, SINCE, UNTIL)
    search.check("job-1", MADE, None, None)
    search.check("job-2", MADE, CLIP.prompt, CLIP.image_url)
    search.check("job-2", MADE, CLIP.prompt, CLIP.image_url)
    assert search.ids() == ["job-2"]


def test_two_matches_are_both_told() -> None:
    search = Search(CLIP, SINCE, UNTIL)
    for listed_id in ("job-1", "job-2"):
        search.check(listed_id, MADE, CLIP.prompt, CLIP.image_url)
    assert search.ids() == ["job-1", "job-2"]


def test_the_window_may_be_given_in_any_zone() -> None:
    zone = timezone(timedelta(hours=5))
    search = Search(CLIP, SINCE.astimezone(zone), UNTIL.astimezone(zone))
    search.check("job-1", MADE, CLIP.prompt, CLIP.image_url)
    assert search.ids() == ["job-1"]
    assert iso_time(search.since) == "2026-11-20T11:59:00Z"


@pytest.mark.parametrize(
    ("listed", "same"),
    [
        ("https://a.example/x.jpg?sig=2", True),
        ("https://A.example/x.jpg", True),
        (["https://a.example/x.jpg"], True),
        ("https://a.example/y.jpg", False),
        ("https://b.example/x.jpg", None),
        (None, None),
        ([], None),
        ("https://a.example:x/", None),
        ("https://☃.example/x.jpg", None),
        ("https://xn--/x.jpg", None),
    ],
)
def test_images_are_compared_without_their_query(listed: object, same: bool | None) -> None:
    assert same_image(listed, "https://a.example/x.jpg?sig=1") is same


def full_page(start: int) -> dict[str, object]:
    rows = [
        {"id": f"exec_{n}", "created_at": MADE, "input": {"prompt": "another"}}
        for n in range(start, start + 100)
    ]
    return {"executions": rows, "total_count": 100, "total_capped": True}


def test_eachlabs_pages_are_read_until_one_is_short() -> None:
    ours = {"id": "exec_x", "created_at": MADE}
    ours["input"] = {"prompt": CLIP.prompt, "image_url": CLIP.image_url}  # type: ignore[assignment]
    steps = [says(200, full_page(0)), says(200, full_page(100)), says(200, [ours])]
    provider, script = adapter("eachlabs", steps)
    assert provider.find_orders(CLIP, SINCE, UNTIL) == ["exec_x"]
    assert [r.url.params["offset"] for r in script.seen] == ["0", "100", "200"]


def test_eachlabs_pages_that_are_shorter_than_asked_for_are_read_on() -> None:
    others = {"executions": [{"id": "exec_1", "created_at": MADE, "input": {"prompt": "another"}}]}
    steps = [says(200, {**others, "total_count": 2})] * 2
    provider, script = adapter("eachlabs", steps)
    assert provider.find_orders(CLIP, SINCE, UNTIL) == []
    assert [r.url.params["offset"] for r in script.seen] == ["0", "1"]


def test_eachlabs_rows_that_are_counted_but_not_listed_leave_the_search_open() -> None:
    provider, _ = adapter("eachlabs", [says(200, {"executions": [], "total_count": 1})])
    assert provider.find_orders(CLIP, SINCE, UNTIL) is None


def test_eachlabs_pages_end_somewhere_and_then_nothing_is_certain() -> None:
    provider, script = adapter("eachlabs", [says(200, full_page(0))] * MAX_PAGES)
    assert provider.find_orders(CLIP, SINCE, UNTIL) is None
    assert len(script.seen) == MAX_PAGES


def test_eachlabs_looks_up_a_bounded_number_of_runs() -> None:
    rows = [{"id": f"exec_{n}", "created_at": MADE} for n in range(60)]
    lookups: list[Step] = [says(200, {"input": {"prompt": "another"}})] * 50
    provider, script = adapter("eachlabs", [says(200, {"executions": rows}), *lookups])
    assert provider.find_orders(CLIP, SINCE, UNTIL) is None
    assert len(script.seen) == 51


def test_eachlabs_looks_up_no_run_of_another_time() -> None:
    rows = [{"id": "exec_1", "created_at": "2026-11-20T09:00:00Z"}]
    provider, script = adapter("eachlabs", [says(200, {"executions": rows})])
    assert provider.find_orders(CLIP, SINCE, UNTIL) == []
    assert len(script.seen) == 1


def test_eachlabs_inputs_are_read_under_their_configured_names() -> None:
    rows = [
        {
            "id": "exec_1",
            "created_at": MADE,
            "input": {"text": CLIP.prompt, "first": CLIP.image_url},
        }
    ]
    fields = {"prompt": "text", "image_url": "first"}
    provider, _ = adapter("eachlabs", [says(200, {"executions": rows})], fields=fields)
    assert provider.find_orders(CLIP, SINCE, UNTIL) == ["exec_1"]


def test_a_lookup_that_fails_leaves_the_search_open() -> None:
    rows = [{"id": "exec_1", "created_at": MADE}]
    provider, _ = adapter("eachlabs", [says(200, {"executions": rows}), fault("ReadTimeout")])
    assert provider.find_orders(CLIP, SINCE, UNTIL) is None


def fal_page(number: int, times: Iterable[str]) -> Step:
    items = [
        {"request_id": f"req-{number}-{n}", "sent_at": time, "json_input": {"prompt": "another"}}
        for n, time in enumerate(times)
    ]
    return says(200, {"items": items, "next_cursor": f"cursor-{number}", "has_more": True})


def minutes(start: datetime, step: int) -> list[str]:
    return [(start + timedelta(minutes=step * n)).isoformat() for n in range(3)]


def test_fal_pages_are_read_beyond_five_hundred_rows() -> None:
    ours = {"request_id": "req-x", "sent_at": MADE, "json_input": {"prompt": CLIP.prompt}}
    ours["json_input"]["image_url"] = CLIP.image_url  # type: ignore[index]
    full = [fal_page(n, [MADE] * 100) for n in range(8)]
    last = says(200, {"items": [ours], "next_cursor": None, "has_more": False})
    provider, script = adapter("fal", [*full, last])
    assert provider.find_orders(CLIP, SINCE, UNTIL) == ["req-x"]
    cursors = [request.url.params.get("cursor") for request in script.seen]
    assert cursors == [None, *(f"cursor-{n}" for n in range(8))]


def test_fal_pages_end_somewhere_and_then_nothing_is_certain() -> None:
    provider, script = adapter("fal", [fal_page(n, [MADE]) for n in range(MAX_PAGES)])
    assert provider.find_orders(CLIP, SINCE, UNTIL) is None
    assert len(script.seen) == MAX_PAGES


def test_a_cursor_of_fal_that_leads_nowhere_leaves_the_search_open() -> None:
    provider, script = adapter("fal", [fal_page(1, [MADE])] * 2)
    assert provider.find_orders(CLIP, SINCE, UNTIL) is None
    assert len(script.seen) == 2


def test_more_rows_of_fal_without_a_cursor_leave_the_search_open() -> None:
    provider, _ = adapter("fal", [says(200, {"items": [], "has_more": True})])
    assert provider.find_orders(CLIP, SINCE, UNTIL) is None


@pytest.mark.parametrize(
    "beyond",
    [minutes(UNTIL + timedelta(minutes=2), 1), minutes(SINCE - timedelta(minutes=2), -1)],
    ids=["oldest first", "newest first"],
)
def test_a_sorted_list_of_fal_ends_where_its_rows_have_passed_the_window(
    beyond: list[str],
) -> None:
    provider, script = adapter("fal", [fal_page(1, [MADE]), fal_page(2, beyond)])
    assert provider.find_orders(CLIP, SINCE, UNTIL) == []
    assert len(script.seen) == 2


@pytest.mark.parametrize(
    "times",
    [
        minutes(UNTIL + timedelta(minutes=9), -1),
        minutes(SINCE - timedelta(minutes=9), 1),
        [*minutes(UNTIL + timedelta(minutes=2), 1), MADE],
        [*minutes(UNTIL + timedelta(minutes=2), 2), *minutes(UNTIL + timedelta(minutes=3), 2)],
        [*minutes(UNTIL + timedelta(minutes=2), 1), "some day"],
        minutes(UNTIL + timedelta(minutes=2), 0),
        [],
    ],
    ids=[
        "toward it",
        "toward it from below",
        "one in it",
        "unsorted",
        "unread",
        "one time",
        "none",
    ],
)
def test_a_page_from_which_the_window_may_still_come_is_not_past(times: list[object]) -> None:
    assert not Search(CLIP, SINCE, UNTIL).is_past(times)


def test_a_slow_list_is_not_read_for_ever() -> None:
    now = itertools.count(0.0, SEARCH_S / 3)
    search = Search(CLIP, SINCE, UNTIL, clock=lambda: next(now))
    assert list(search.pages()) == [0, 1, 2]


@pytest.mark.parametrize("count", [1, "1", 0.5, True])
def test_rows_of_oxen_that_are_counted_but_not_listed_leave_the_search_open(count: object) -> None:
    empty = says(200, {"count": 0, "generations": []})
    provider, _ = adapter("oxen", [says(200, {"count": count, "generations": []}), *[empty] * 3])
    assert provider.find_orders(CLIP, SINCE, UNTIL) is None


def test_fal_keeps_a_match_when_a_later_page_fails() -> None:
    values = {"prompt": CLIP.prompt, "image_url": CLIP.image_url}
    item = {"request_id": "req-1", "sent_at": MADE, "json_input": values}
    page: dict[str, object] = {"items": [item], "next_cursor": "Mg==", "has_more": True}
    provider, _ = adapter("fal", [says(200, page), fault("ReadTimeout")])
    assert provider.find_orders(CLIP, SINCE, UNTIL) == ["req-1"]


def test_the_history_of_fal_is_asked_at_its_configured_address() -> None:
    page: dict[str, object] = {"items": [], "next_cursor": None, "has_more": False}
    provider, script = adapter("fal", [says(200, page)], api_base_url="https://platform.example")
    assert provider.find_orders(CLIP, SINCE, UNTIL) == []
    assert script.seen[0].url.host == "platform.example"


@pytest.mark.parametrize("name", ["eachlabs", "oxen", "fal"])
def test_a_list_under_another_name_is_read_too(name: str) -> None:
    provider, _ = adapter(name, [says(200, {"data": []})] * 4)
    assert provider.find_orders(CLIP, SINCE, UNTIL) == []


ROWS: dict[str, list[dict[str, object]]] = {
    "eachlabs": [{"id": "one", "created_at": MADE}, {"id": "two", "created_at": "2026-11-19"}],
    "oxen": [
        {"generation_id": "one", "enqueued_at": MADE, "prompt": "another"},
        {"generation_id": "two", "enqueued_at": "2026-11-19", "prompt": CLIP.prompt},
    ],
    "fal": [
        {"request_id": "one", "sent_at": MADE, "json_input": {"prompt": "another"}},
        {"request_id": "two", "sent_at": "2026-11-19T12:00:00Z", "json_input": {}},
    ],
}


@pytest.mark.parametrize("name", ROWS)
def test_all_orders_of_a_time_are_listed_whoever_made_them(name: str) -> None:
    rest = [says(200, {"data": []})] * 3 if name == "oxen" else []
    provider, script = adapter(name, [says(200, {"data": ROWS[name]}), *rest])
    assert provider.list_orders(SINCE, UNTIL) == ["one"]
    assert len(script.seen) == 1 + len(rest)


@pytest.mark.parametrize("name", ["eachlabs", "oxen", "fal"])
@pytest.mark.parametrize("body", [{}, None, "x", {"data": {}}, 5])
def test_an_answer_without_a_list_leaves_the_search_open(name: str, body: object) -> None:
    provider, _ = adapter(name, [says(200, body)] * 4)
    assert provider.find_orders(CLIP, SINCE, UNTIL) is None
