"""One embedded AWS with the real stack and the simulators, shared by all end-to-end tests."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from local import stack
from local.embedded_aws import EmbeddedAws
from local.follow import ReceivedMail, mails, states_entered
from local.simulators import JobView, Simulators
from local.stack import Stack

T = TypeVar("T")
TIMEOUT_S = 120


def wait_for(what: str, look: Callable[[], T | None]) -> T:
    """The first thing that `look` finds."""
    deadline = time.monotonic() + TIMEOUT_S
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} within {TIMEOUT_S} seconds")
        time.sleep(0.1)
    return found


class Postman:
    """Empties a mailbox all the time and sorts what comes by the file it is about."""

    def __init__(self, aws: EmbeddedAws, queue_url: str) -> None:
        self._received: dict[str, list[ReceivedMail]] = defaultdict(list)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(aws, queue_url), daemon=True)
        self._thread.start()

    def _run(self, aws: EmbeddedAws, queue_url: str) -> None:
        while not self._stop.is_set():
            for mail in mails(aws, queue_url, wait_s=1):
                about = mail.document.get("image") or mail.document.get("file") or ""
                self._received[about].append(mail)

    def about(self, key: str) -> list[ReceivedMail]:
        return list(self._received[key])

    def all(self) -> Mapping[str, list[ReceivedMail]]:
        return dict(self._received)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


# The command as an operator types it: its words to exit code and what it printed.
Run = Callable[..., Any]


@dataclass(frozen=True)
class End:
    """How one drop ended."""

    mail: ReceivedMail
    status: str
    states: list[str]
    error: str
    record: dict[str, Any]

    @property
    def outcome(self) -> str:
        return str(self.mail.document["outcome"])

    @property
    def kind(self) -> str:
        return str((self.mail.document.get("failure") or {}).get("kind", ""))


@dataclass
class World:
    """The running stack as tests use it."""

    stack: Stack
    simulators: Simulators
    postman: Postman
    operators: Postman
    calls: Path  # what was checked against policies
    states_seen: set[str] = field(default_factory=set)
    _images: dict[str, str] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return self.stack.aws.client(service)

    @property
    def inbox(self) -> str:
        return self.stack.outputs["InboxBucketName"]

    @property
    def clips(self) -> str:
        return self.stack.outputs["ClipsBucketName"]

    def put(self, key: str, body: bytes, **options: Any) -> None:
        self.client("s3").put_object(Bucket=self.inbox, Key=key, Body=body, **options)

    def drop(self, key: str, image: bytes, **sidecar: Any) -> None:
        """Put `key` and its sidecar into the inbox."""
        stem = key.rpartition(".")[0]
        self.put(f"{stem}.json", json.dumps(sidecar).encode())
        self.put(key, image)

    def send_event(self, key: str) -> None:
        """What EventBridge would put into the ingest queue for an upload of `key`."""
        detail = {"bucket": {"name": self.inbox}, "object": {"key": key}}
        body = {"detail-type": "Object Created", "source": "aws.s3", "detail": detail}
        self.client("sqs").send_message(
            QueueUrl=self.stack.outputs["IngestQueueUrl"], MessageBody=json.dumps(body)
        )

    def mail_about(self, key: str) -> ReceivedMail:
        found = wait_for(f"mail about {key}", lambda: self.postman.about(key) or None)
        return found[0]

    def end_of(self, key: str) -> End:
        """Wait for the mail about `key`, then for its execution."""
        mail = self.mail_about(key)
        record = self.read_json(mail.document["record"])
        arn = mail.document.get("execution")
        if not arn:
            return End(mail, "", [], "", record)
        described = wait_for(f"end of the execution of {key}", lambda: self._ended(arn))
        states = states_entered(self.stack.aws, arn)
        self.states_seen.update(states)
        return End(mail, described["status"], states, described.get("error", ""), record)

    def _ended(self, arn: str) -> dict[str, Any] | None:
        described = self.client("stepfunctions").describe_execution(executionArn=arn)
        return None if described["status"] == "RUNNING" else dict(described)

    def execution_of(self, key: str) -> str:
        """The ARN of the newest execution for `key`, once there is one."""

        def look() -> str | None:
            machine = self.stack.outputs["RenderStateMachineArn"]
            listed = self.client("stepfunctions").list_executions(stateMachineArn=machine)
            arns = (str(execution["executionArn"]) for execution in listed["executions"])
            return next((arn for arn in arns if self._image_of(arn) == key), None)

        return wait_for(f"execution of {key}", look)

    def _image_of(self, arn: str) -> str:
        """The image of an execution, which is asked for once: there are hundreds of them."""
        if arn not in self._images:
            described = self.client("stepfunctions").describe_execution(executionArn=arn)
            self._images[arn] = json.loads(described["input"]).get("image", "")
        return self._images[arn]

    def job_id_of(self, key: str) -> str:
        described = self.client("stepfunctions").describe_execution(
            executionArn=self.execution_of(key)
        )
        return str(json.loads(described["input"])["job_id"])

    def ledger_item(self, job_id: str) -> dict[str, Any]:
        answer = self.client("dynamodb").get_item(
            TableName=self.stack.outputs["LedgerTableName"], Key=_key(job_id), ConsistentRead=True
        )
        return dict(answer["Item"])

    def looks(self, execution_arn: str) -> int:
        """How often an execution has looked at its clip."""
        return states_entered(self.stack.aws, execution_arn).count("Poll")

    def tries(self, key: str) -> int:
        """How often the newest execution for `key` has come to "Generate"."""
        return states_entered(self.stack.aws, self.execution_of(key)).count("Generate")

    def in_state(self, job_id: str, *states: str) -> None:
        """Wait until the ledger holds the job in one of `states`."""
        wait_for(
            f"job {job_id} in {states}",
            lambda: self.ledger_item(job_id)["state"]["S"] in states or None,
        )

    def change_ledger(self, job_id: str, **texts: str) -> None:
        """Write into the ledger behind the stack's back."""
        self.client("dynamodb").update_item(
            TableName=self.stack.outputs["LedgerTableName"],
            Key=_key(job_id),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in texts),
            ExpressionAttributeNames={f"#{name}": name for name in texts},
            ExpressionAttributeValues={f":{name}": {"S": text} for name, text in texts.items()},
        )

    def forget(self, job_id: str) -> None:
        table = self.stack.outputs["LedgerTableName"]
        self.client("dynamodb").delete_item(TableName=table, Key=_key(job_id))

    def reset_breaker(self, provider: str) -> None:
        table = self.stack.outputs["LedgerTableName"]
        for kind in ("BREAKER", "SLOTS"):
            key = {"pk": {"S": f"{kind}#{provider}"}, "sk": {"S": kind}}
            self.client("dynamodb").delete_item(TableName=table, Key=key)

    def function(self, name: str) -> str:
        """The full name of the function with this logical name."""
        listed = self.client("lambda").list_functions()["Functions"]
        return next(str(f["FunctionName"]) for f in listed if name in f["FunctionName"])

    @contextmanager
    def changed_function(self, name: str, timeout: int = 0, **variables: str) -> Iterator[None]:
        """The function with other variables or another time-out, as by a redeployment."""
        functions, function = self.client("lambda"), self.function(name)
        before = functions.get_function_configuration(FunctionName=function)
        changed = {"Variables": {**before["Environment"]["Variables"], **variables}}
        functions.update_function_configuration(
            FunctionName=function, Environment=changed, Timeout=timeout or before["Timeout"]
        )
        try:
            yield
        finally:
            functions.update_function_configuration(
                FunctionName=function,
                Environment={"Variables": before["Environment"]["Variables"]},
                Timeout=before["Timeout"],
            )

    @contextmanager
    def changed_keys(self, keys: Mapping[str, str]) -> Iterator[None]:
        """Other keys, which the function that makes orders reads as it starts anew."""
        aws, outputs = self.stack.aws, self.stack.outputs
        stack.put_keys(aws, outputs, {**stack.KEYS, **keys})
        with self.changed_function("GenerateFunction"):
            try:
                yield
            finally:
                stack.put_keys(aws, outputs, stack.KEYS)

    def resume(self, job_id: str, word: dict[str, Any]) -> None:
        """What an operator types to go on with a job."""
        self.client("stepfunctions").start_execution(
            stateMachineArn=self.stack.outputs["RenderStateMachineArn"],
            input=json.dumps({"job_id": job_id, "resume": word}),
        )

    def second_mail_about(self, key: str) -> ReceivedMail:
        about = self.postman.about
        return wait_for(f"second mail about {key}", lambda: next(iter(about(key)[1:]), None))

    def committed(self, period: str) -> Decimal:
        key = {"pk": {"S": f"BUDGET#{period}"}, "sk": {"S": "BUDGET"}}
        table = self.stack.outputs["LedgerTableName"]
        answer = self.client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True)
        return Decimal(answer["Item"]["committed_usd"]["N"]) if "Item" in answer else Decimal(0)

    def digests(self) -> list[ReceivedMail]:
        """What told several results together."""
        about_no_file = self.postman.about("")
        return [mail for mail in about_no_file if mail.document["outcome"] == "digest"]

    def untold(self) -> int:
        """How many results wait for their digest."""
        found = self.client("dynamodb").query(
            TableName=self.stack.outputs["LedgerTableName"],
            IndexName="unsettled",
            KeyConditionExpression="unsettled = :mails",
            ExpressionAttributeValues={":mails": {"S": "mails"}},
        )
        return int(found["Count"])

    def read(self, uri: str) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return bytes(self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())

    def read_json(self, uri: str) -> dict[str, Any]:
        return dict(json.loads(self.read(uri)))

    def ordered(self, prompt: str) -> list[JobView]:
        """The provider's jobs for `prompt`: what would have been paid."""
        return [job for job in self.simulators.jobs() if prompt in job.prompt]


def _key(job_id: str) -> dict[str, Any]:
    return {"pk": {"S": f"JOB#{job_id}"}, "sk": {"S": "JOB"}}
