"""The template gives the functions the rights that the plays need, and no others.

Every call of a play is checked as AWS would, in both ways in which the keys of a transaction can
be read. `tests/e2e/test_used_rights.py` does the same with the calls on the embedded AWS.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from local.faults.faults import Cell, Fault, Kind, Moment
from local.faults.scenarios import SCENARIOS, Scenario
from local.faults.world import INDEX_LAG_S, World
from tests.conftest import ROOT
from tests.faults.conftest import Recorder
from tests.support.policies import Call, Statement, allowed, unused
from tests.support.rights import TABLE, statements
from tests.support.stack import deployed

PLAYED = ("submit", "slot", "generate", "poll", "finalize", "sweep")
# What AWS does in a function's name: logs, traces, draining the queue, passing on failed calls.
BY_AWS = ("logs:", "xray:", "sqs:ReceiveMessage")
DEAD_LETTERS = "EventsDeadLetterQueue.Arn"
# Ends that no scenario of the matrix has.
RARE = (
    Scenario("refused in line", "[sim: submit=401]", images=2, slots=1),
    Scenario("no video", "[sim: result=not-mp4]", seconds=30),
)
_MOVE = (("dynamodb:DeleteItem", "WAITING#"), ("dynamodb:UpdateItem", "WAITING#"))
_BATCH = (("dynamodb:GetItem", "BATCH#"),)
# Calls that no play makes, with the test that makes them.
ELSEWHERE = {
    "test_upload.py::test_a_part_that_s3_refuses_comes_up_unchanged_and_nothing_stays": (
        Call("finalize", "s3:AbortMultipartUpload", "arn:aws:s3:::clips/clips/a.mp4"),
    ),
    "test_submit_rejections.py::test_a_rejection_is_mailed_once_however_often_the_events_come": (
        Call("submit", "s3:PutObject", "arn:aws:s3:::clips/clips/a/rejected-b.json"),
        Call("submit", "dynamodb:GetItem", TABLE, (("dynamodb:GetItem", "MAILS#"),)),
    ),
    "test_submit.py::test_a_job_in_line_takes_the_cap_and_the_priority_of_the_newest_sidecar": (
        Call("submit", "dynamodb:UpdateItem", TABLE, (("dynamodb:UpdateItem", "JOB#"),)),
        Call("submit", "dynamodb:UpdateItem", TABLE, _MOVE),
        Call("submit", "dynamodb:DeleteItem", TABLE, _MOVE),
    ),
    "test_digests.py::test_the_digest_is_asked_for_once_and_comes_after_the_windows_end": (
        Call("generate", "sqs:SendMessage", "https://queue/ingest"),  # by the same mailer
        Call("sweep", "dynamodb:GetItem", TABLE, (("dynamodb:GetItem", "MAILS#"),)),
    ),
    "test_batches.py::test_when_all_rows_of_a_batch_have_ended_one_mail_tells_of_all": (
        Call("submit", "secretsmanager:GetSecretValue", "PageKeySecret.Id"),
        Call("generate", "dynamodb:GetItem", TABLE, _BATCH),  # by the same mailer
    ),
    "test_self_test.py::test_a_self_test_is_noted_and_starts_nothing": (
        Call("submit", "dynamodb:UpdateItem", TABLE, (("dynamodb:UpdateItem", "SELFTEST#"),)),
    ),
    "test_missed_drops.py::test_files_of_which_nothing_could_be_made_are_told_of_and_not_sent": (
        Call("submit", "dynamodb:UpdateItem", TABLE, (("dynamodb:UpdateItem", "MISSED#"),)),
    ),
    "test_submit_rejections.py::test_the_dashboard_lists_a_rejected_drop_with_its_reason": (
        Call("submit", "dynamodb:UpdateItem", TABLE, (("dynamodb:UpdateItem", "REJECTED#"),)),
    ),
    "test_provider_checkup.py::test_a_checkup_without_changes_sends_no_mail": (
        Call("sweep", "dynamodb:UpdateItem", TABLE, (("dynamodb:UpdateItem", "CHECKUP#"),)),
    ),
    "test_batches.py::test_the_sweep_looks_at_a_batch_whose_message_was_lost": (
        Call("sweep", "dynamodb:GetItem", TABLE, _BATCH),
        Call("sweep", "dynamodb:UpdateItem", TABLE, (("dynamodb:UpdateItem", "BATCH#"),)),
    ),
    "test_finalize.py::test_the_mail_links_to_the_page_of_the_clip": (
        Call("finalize", "secretsmanager:GetSecretValue", "PageKeySecret.Id"),
    ),
    "test_group_mails.py::test_the_sweep_sends_what_the_last_one_could_not": (
        Call("sweep", "dynamodb:UpdateItem", TABLE, (("dynamodb:UpdateItem", "GROUP#"),)),
    ),
    "test_digests.py::test_who_dies_between_two_parts_of_a_digest_tells_nobody_twice": (
        Call("submit", "dynamodb:GetItem", TABLE, (("dynamodb:GetItem", "NOTICE#"),)),
    ),
}
ORDER = "generate:POST /luma/v1/generations#1"
# While the first order is answered, the other job joins the line; then the first is refused.
HANDED_OVER = Fault(ORDER, Moment.AFTER, Kind.DELAYED)
LEFT_BEHIND = (
    Cell("luma", "success", Fault(ORDER, Moment.AFTER, Kind.ABORT)),
    Cell("oxen", "midnight", Fault("slot:dynamodb.query#2", Moment.AFTER, Kind.ABORT)),
)


@pytest.fixture(scope="module")
def calls(played_in: World, cells: Sequence[Cell], recorder: Recorder) -> list[Call]:
    """Of a clean play of every course, and of rare ends."""
    assert cells
    with pytest.MonkeyPatch.context() as patch:
        for scenario in RARE:
            patch.setitem(SCENARIOS, scenario.name, scenario)
            played_in.play(Cell("luma", scenario.name))
        played_in.play(Cell("luma", "refused in line", HANDED_OVER))
    for cell in LEFT_BEHIND:
        played_in.play(cell)
        assert played_in.wire.struck
    played_in.play(Cell("fal", "digest"))
    lose_the_digest(played_in)
    played_in.delay(INDEX_LAG_S + 1)
    played_in.sweep_now()
    return [*recorder.calls, *(call for own in ELSEWHERE.values() for call in own)]


def lose_the_digest(played: World) -> None:
    """As if the message that asks for it had been lost."""
    told = [item for item in played.dynamo.listed("MAILS#") if "told_at" in item]
    assert told
    for item in told:
        played.dynamo.update_item(
            TableName="ledger",
            Key={name: item[name] for name in ("pk", "sk")},
            UpdateExpression="SET #u = :mails REMOVE #t, #d",
            ExpressionAttributeNames={"#u": "unsettled", "#t": "told_at", "#d": "digest"},
            ExpressionAttributeValues={":mails": {"S": "mails"}},
        )


def needed(function: str) -> list[Statement]:
    """The function's statements but for what AWS does in its name."""
    return [
        one
        for one in statements(deployed())[function]
        if not one.actions[0].startswith(BY_AWS) and DEAD_LETTERS not in one.resources
    ]


@pytest.mark.parametrize("function", PLAYED)
def test_no_play_needs_a_right_that_its_function_does_not_have(
    function: str, calls: list[Call]
) -> None:
    own = [call for call in calls if call.role == function]
    assert own
    assert [call for call in own if not allowed(call, needed(function))] == []


@pytest.mark.parametrize("function", PLAYED)
def test_no_right_of_a_function_can_be_taken_away(function: str, calls: list[Call]) -> None:
    own = [call for call in calls if call.role == function]
    assert unused(needed(function), own) == []


@pytest.mark.parametrize("place", ELSEWHERE)
def test_the_tests_of_calls_that_no_play_makes_are_there(place: str) -> None:
    file, _, name = place.partition("::")
    text = (ROOT / "tests" / "integration" / file).read_text(encoding="utf-8")
    assert f"def {name}(" in text
