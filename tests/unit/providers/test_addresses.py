"""Where orders are asked about: fal names the addresses in its answer to the order."""

from __future__ import annotations

import pytest

from dropreel.providers.base import Accepted, Pending, Ready
from tests.support.providers import CLIPS, adapter, says

FULL = "https://queue.fal.run/luma/agent/ray/v3.2/image-to-video/requests/job-1"
BY_HAND = "https://queue.fal.run/luma/agent/requests/job-1"
NAMED = {"status_url": f"{FULL}/status", "response_url": FULL, "cancel_url": f"{FULL}/cancel"}
ENDED = says(200, {"status": "COMPLETED"})
CLIP = says(200, {"video": {"url": "https://v3.fal.media/v.mp4"}})


def test_an_order_is_asked_about_at_the_addresses_of_its_answer() -> None:
    steps = [says(200, {"request_id": "job-1", **NAMED}), ENDED, CLIP, says(202, {})]
    provider, script = adapter("fal", steps)
    order = provider.submit(CLIPS["5s"])
    assert isinstance(order, Accepted)
    assert isinstance(provider.status("job-1", order.addresses), Ready)
    provider.cancel("job-1", order.addresses)
    assert [str(request.url) for request in script.seen[1:]] == [*NAMED.values()]


@pytest.mark.parametrize(
    "address",
    [
        "https://queue.fal.run.example/requests/job-1/status",
        "http://queue.fal.run/luma/agent/requests/job-1/status",
        "https://queue.fal.run:8443/luma/agent/requests/job-1/status",
        "https://me:secret@queue.fal.run/luma/agent/requests/job-1/status",
        "https://queue.fal.run/luma/agent/requests/job-1/status?to=https://other.example",
        "//queue.fal.run/luma/agent/requests/job-1/status",
        "https://queue.fal.run//status",
        "https://xn--/",
        "",
    ],
)
def test_the_key_is_sent_to_no_other_address(address: str) -> None:
    provider, script = adapter("fal", [says(200, {"status": "IN_QUEUE"})])
    assert isinstance(provider.status("job-1", {"status_url": address}), Pending)
    assert [str(request.url) for request in script.seen] == [f"{BY_HAND}/status"]


def test_an_order_without_addresses_is_found_under_the_whole_endpoint_too() -> None:
    lost = says(404, {"status": "NOT_FOUND"})
    provider, script = adapter("fal", [lost, ENDED, lost, CLIP])
    assert isinstance(provider.status("job-1"), Ready)
    assert [str(request.url) for request in script.seen] == [
        f"{BY_HAND}/status",
        f"{FULL}/status",
        BY_HAND,
        FULL,
    ]


@pytest.mark.parametrize("name", ["eachlabs", "oxen", "luma"])
def test_providers_that_name_no_addresses_are_asked_as_ever(name: str) -> None:
    provider, script = adapter(name, [says(500, {}), says(500, {})])
    provider.status("job-1", NAMED)
    provider.status("job-1")
    first, second = script.seen
    assert first.url == second.url
