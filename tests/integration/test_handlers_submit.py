"""`submit` in process: only the messages that could not be handled come again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dropreel.jobs.job import State
from tests.support.functions import IMAGE, Functions, submit

pytestmark = [pytest.mark.on_moto, pytest.mark.filterwarnings("ignore:No application metrics")]


def test_only_the_message_that_could_not_be_handled_is_returned_to_the_queue(
    functions: Functions, events: Path
) -> None:
    functions.drop()
    batch = json.loads((events / "sqs-batch.json").read_text())
    broken = batch["Records"][1]["messageId"]
    answered = functions.call("submit", batch)
    assert answered == {"batchItemFailures": [{"itemIdentifier": broken}]}
    carried = functions.started()
    assert functions.aws.ledger.require(carried["job_id"]).state is State.CLAIMED
    (error,) = [line for line in functions.log() if line["level"] == "ERROR"]
    assert "will be tried again" in error["message"]
    assert error["exception_name"] == "JSONDecodeError"
    assert not {"job_id", "image_key"} & set(error)


def test_when_no_message_could_be_handled_all_of_them_are_returned_to_the_queue(
    functions: Functions, events: Path
) -> None:
    batch = json.loads((events / "sqs-batch.json").read_text())
    batch["Records"] = batch["Records"][1:]
    assert len(functions.call("submit", batch)["batchItemFailures"]) == 1
    assert functions.aws.executions() == []


def test_a_batch_that_was_delivered_twice_starts_one_job(
    functions: Functions, events: Path
) -> None:
    functions.drop()
    batch = json.loads((events / "sqs-batch.json").read_text())
    batch["Records"] = batch["Records"][:1]
    for _ in range(2):
        assert functions.call("submit", batch) == {"batchItemFailures": []}
    assert len(functions.aws.executions()) == 1


def test_a_tagged_image_is_pinned_without_its_tags(functions: Functions, events: Path) -> None:
    functions.drop()
    tags = {"TagSet": [{"Key": "project", "Value": "lighthouse"}]}
    functions.aws.s3.put_object_tagging(Bucket="inbox", Key=IMAGE, Tagging=tags)
    submit(functions, events)
    (pinned,) = functions.aws.stored("sources/")
    found = functions.aws.s3.get_object_tagging(Bucket="clips", Key=pinned)
    assert found["TagSet"] == []


def test_a_message_from_the_queue_sends_the_digest_of_many_results(
    functions: Functions, events: Path
) -> None:
    def rejected(name: str) -> dict[str, Any]:
        metadata = {"prompt": "push"}
        functions.aws.s3.put_object(Bucket="inbox", Key=name, Body=b"no", Metadata=metadata)
        return {"detail": {"object": {"key": name}}}

    record = json.loads((events / "sqs-batch.json").read_text())["Records"][0]
    drops = [rejected(f"{number}.jpg") for number in range(3)]

    def call(*messages: Any) -> None:
        records = [
            {**record, "messageId": str(number), "body": json.dumps(message)}
            for number, message in enumerate(messages)
        ]
        assert functions.call("submit", {"Records": records}) == {"batchItemFailures": []}

    call(*drops)
    (counter,) = {
        item["pk"] for item in functions.aws.table.query_index("unsettled", "unsettled", "mails")
    }
    call({"digest": counter.removeprefix("MAILS#")})
    digests = [mail for mail in functions.aws.results.take() if mail["outcome"] == "digest"]
    assert [mail["counts"] for mail in digests] == [{"rejected": 2}]
