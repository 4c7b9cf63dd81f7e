"""Whether what the template has connected is still connected, and does its work."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from cli.checks.visit import Visit, green, red, yellow
from cli.facts import many
from dropreel.ledger.self_test import PREFIX, last_self_test
from dropreel.providers.checkup import Finding

SWEEP_EVERY = timedelta(minutes=30)
SELF_TEST_S = 60
_PAUSE_S = 2
_BY_HAND = "Somebody has changed this by hand, and a deployment does not put it right."
_SEND_EVENTS = "In the S3 console, turn on Amazon EventBridge in the properties of the inbox."
_WAITING = 'See docs/operations.md, section "Drops wait in the queue".'
_NO_SWEEP = 'See docs/operations.md, section "The sweep does not run".'
_DEAD_LETTERS = 'See docs/operations.md, section "Drops in a dead-letter queue".'
_DEAD = {
    "IngestDeadLetterQueueUrl": ("drop", "that could not be processed"),
    "EventsDeadLetterQueueUrl": ("event", "that could not be delivered"),
}


def way_of_a_drop(visit: Visit) -> Finding:
    """Bucket, rule, queue and function."""
    broken = {
        name: todo
        for name, todo, connected in (
            ("the inbox sends no events", _SEND_EVENTS, _inbox_sends(visit)),
            ("the rule for drops is off", _enable_rule("DropRule"), _rule_is_on(visit, "DropRule")),
            ("submit does not read the queue", _WAITING, _queue_is_read(visit)),
        )
        if not connected
    }
    if broken:
        return red("; ".join(broken), " ".join([_BY_HAND, *broken.values()]))
    return green("the inbox's events lead to submit")


def _enable_rule(name: str) -> str:
    return f"Enable the rule {name} in the EventBridge console."


def _inbox_sends(visit: Visit) -> bool:
    bucket = visit.output("InboxBucketName")
    found = visit.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    return "EventBridgeConfiguration" in found


def _rule_is_on(visit: Visit, name: str) -> bool:
    _, own = visit.resources[name]
    bus_and_name = own.rpartition("|")[2]
    return bool(visit.client("events").describe_rule(Name=bus_and_name)["State"] == "ENABLED")


def _queue_is_read(visit: Visit) -> bool:
    found = visit.client("lambda").list_event_source_mappings(
        FunctionName=visit.resources["SubmitFunction"][1]
    )
    return any(one["State"] in ("Enabled", "Enabling") for one in found["EventSourceMappings"])


def functions(visit: Visit) -> Finding:
    """All there, and none stopped by a reserved concurrency of 0."""
    client, names = visit.client("lambda"), visit.of_type("AWS::Lambda::Function")
    stopped = [
        name
        for name, own in names.items()
        if client.get_function_concurrency(FunctionName=own).get("ReservedConcurrentExecutions")
        == 0
    ]
    if stopped:
        words = f"stopped by a reserved concurrency of 0: {', '.join(stopped)}"
        return red(words, "Remove the reserved concurrency in the Lambda console.")
    return green(f"{len(names)} functions are there, none is stopped")


def ends_are_told(visit: Visit) -> Finding:
    if _rule_is_on(visit, "UnfinishedRule"):
        return green("executions that break off are told")
    return red(
        "the rule for executions that break off is off",
        f"{_BY_HAND} {_enable_rule('UnfinishedRule')}",
    )


def sweep(visit: Visit) -> Finding:
    schedules = visit.of_type("AWS::Scheduler::Schedule")
    for own in schedules.values():
        name = own.rpartition("|")[2].rpartition("/")[2]
        if visit.client("scheduler").get_schedule(Name=name)["State"] != "ENABLED":
            return red("the schedule of the sweep is off", f"{_BY_HAND} {_NO_SWEEP}")
    if not schedules:
        return red("the sweep has no schedule", _NO_SWEEP)
    since = visit.now() - 2 * SWEEP_EVERY - timedelta(minutes=5)
    last = _last_sweep(visit, since.timestamp())
    if last is not None:
        minutes = (visit.now().timestamp() - last) / 60
        return green(f"the last sweep was {minutes:.0f} minutes ago")
    if visit.described["CreationTime"] > since:
        return green("the sweep is on; the first one is due within half an hour of the deployment")
    todo = f"{_NO_SWEEP} If it is on, see the logs of the function sweep."
    return red("there was no sweep for more than an hour", todo)


def _last_sweep(visit: Visit, since: float) -> float | None:
    """When the sweep last said that it was done, in unix seconds."""
    _, group = visit.resources["SweepLogGroup"]
    pages = visit.client("logs").get_paginator("filter_log_events")
    found = pages.paginate(
        logGroupName=group, startTime=int(since * 1000), filterPattern='"sweep done"'
    )
    stamps = [event["timestamp"] / 1000 for page in found for event in page["events"]]
    return max(stamps, default=None)


def queues(visit: Visit) -> Finding:
    waiting, _ = _depth(visit, visit.output("IngestQueueUrl"))
    words = f"drops that wait to be looked at: {waiting}"
    if waiting > 1000:
        todo = "Nothing, if a large folder was just dropped. Else see the logs of submit."
        return yellow(words, f"{todo} {_WAITING}")
    return green(words)


def dead_letters(visit: Visit) -> Finding:
    found = {words: sum(_depth(visit, visit.output(name))) for name, words in _DEAD.items()}
    full = [f"{many(count, noun)} {rest}" for (noun, rest), count in found.items() if count]
    if full:
        todo = f"Look at them, and send them again: `dropreel replay`. {_DEAD_LETTERS}"
        return red(", ".join(full), todo)
    return green("the dead-letter queues are empty")


def _depth(visit: Visit, url: str) -> tuple[int, int]:
    """How many messages can be read, and how many are being read."""
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    found = visit.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[*names])
    given: dict[str, Any] = found["Attributes"]
    return int(given.get(names[0], 0)), int(given.get(names[1], 0))


def alarms(visit: Visit) -> Finding:
    own = visit.of_type("AWS::CloudWatch::Alarm")
    pages = visit.client("cloudwatch").get_paginator("describe_alarms")
    found = pages.paginate(AlarmNames=[*own.values()], StateValue="ALARM")
    ringing = {alarm["AlarmName"] for page in found for alarm in page.get("MetricAlarms", [])}
    named = [name for name, alarm in own.items() if alarm in ringing]
    if named:
        todo = "docs/operations.md has a section for each; the alarm's description names it."
        return red(f"in alarm: {', '.join(named)}", todo)
    return green(f"none of {len(own)} alarms rings")


def subscriptions(visit: Visit) -> Finding:
    counts = {
        kind: _confirmed(visit, visit.output(output))
        for kind, output in (("results", "ResultsTopicArn"), ("operators", "OperatorsTopicArn"))
    }
    nobody = [kind for kind, count in counts.items() if not count]
    if not nobody:
        each = ", ".join(f"{count} to {kind}" for kind, count in counts.items())
        return green(f"confirmed subscriptions: {each}")
    todo = "Confirm the link in the mail from AWS with `make confirm`, or subscribe an address."
    finding = red if _wanted(visit, nobody) else yellow
    return finding(f"nobody receives the mails to {' and '.join(nobody)}", todo)


def _wanted(visit: Visit, kinds: list[str]) -> bool:
    """Whether an address was given for one of these."""
    names = {"results": "RESULTS_EMAIL", "operators": "OPERATOR_EMAIL"}
    return any(visit.stack.environment.get(names[kind]) for kind in kinds)


def _confirmed(visit: Visit, topic: str) -> int:
    found = visit.client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
    return int(found.get("SubscriptionsConfirmed", 0))


def self_test(visit: Visit) -> Finding:
    """A file that `submit` knows and notes goes the way of a drop. It starts no job."""
    key, bucket = f"{PREFIX}{uuid4().hex}.json", visit.output("InboxBucketName")
    begun = visit.now()
    visit.client("s3").put_object(Bucket=bucket, Key=key, Body=b"{}")
    try:
        for _ in range(SELF_TEST_S // _PAUSE_S):
            if last_self_test(visit.container.table) == key:
                seconds = (visit.now() - begun).total_seconds()
                return green(f"a file for a test came through to submit in {seconds:.1f} s")
            visit.sleep(_PAUSE_S)
    finally:
        visit.client("s3").delete_object(Bucket=bucket, Key=key)
    todo = 'See "way of a drop" and the dead-letter queues above, then the logs of submit.'
    return red(f"a file for a test did not reach submit within {SELF_TEST_S} s", todo)
