from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import ENDS, Job, Reservation, State, workflow_input
from dropreel.ledger.slots import Slots
from dropreel.ledger.table import Update
from dropreel.money.budget import Caps
from dropreel.observability import metrics
from dropreel.providers.base import Failed, Failure, NoAnswer, Pending, Phase, Ready
from dropreel.providers.catalog import CATALOG
from dropreel.steps.sweep import MARGIN_S, PROVIDER_S, Sweep
from local.metrics import emitted
from tests.support.aws import NOW, Aws, Clock, FakeProvider, make_job
from tests.support.container import FakeContainer
from tests.support.states import PATHS

RUNNING = Pending(Phase.RUNNING, "processing")
GONE = NoAnswer(Failure(FailureKind.UNEXPECTED, "not found"))


@pytest.fixture
def sweep(aws: Aws, provider: FakeProvider, clock: Clock) -> Sweep:
    return make_sweep(aws, provider, clock)


def make_sweep(aws: Aws, fake: FakeProvider, clock: Clock, **changes: Any) -> Sweep:
    sweep = FakeContainer(aws, clock, fake).step(Sweep)
    return replace(sweep, **{"chores": (), **changes})


def job_in(aws: Aws, state: State) -> Job:
    job = aws.ledger.claim(make_job())
    times = {"asked_at": "2026-11-20T09:30:00.000Z", "deadline_at": "2026-11-20T10:30:00.000Z"}
    for step in PATHS[state]:
        facts = times if step is State.SUBMITTING else {}
        facts |= {"provider_job_id": "p-1"} if step is State.SUBMITTED else {}
        job = aws.ledger.move(job, step, **facts)
    return told(aws, job)


def told(aws: Aws, job: Job) -> Job:
    if job.state in ENDS:
        aws.send_once.end(job.mail_id, "2026-11-20T09:30:00.000Z")
    return job


def resumed(aws: Aws) -> list[dict[str, Any]]:
    inputs = []
    for execution in aws.executions():
        described = aws.workflow.describe_execution(executionArn=execution["executionArn"])
        inputs.append(json.loads(described["input"]))
    return inputs


@pytest.mark.parametrize(
    "status", [Ready("https://cdn.example/x"), Failed(Failure(FailureKind.TRANSIENT, "no"))]
)
def test_a_stalled_job_that_has_ended_meanwhile_goes_on_once(
    aws: Aws, sweep: Sweep, provider: FakeProvider, status: Any
) -> None:
    job = job_in(aws, State.STALLED)
    provider.status_answers = [status, status]
    for _ in range(2):
        sweep.handle()
    assert resumed(aws) == [{**workflow_input(job), "resume": {}}]


@pytest.mark.parametrize("status", [RUNNING, GONE])
def test_a_stalled_job_is_watched_for_three_days(
    aws: Aws, sweep: Sweep, provider: FakeProvider, clock: Clock, status: Any
) -> None:
    job_in(aws, State.STALLED)
    provider.status_answers = [status]
    assert sweep.handle() == {"still stalled": 1}
    clock.pass_time(days=4)
    assert sweep.handle() == {"given up": 1}
    assert sweep.handle() == {}
    assert aws.executions() == []


def test_a_stalled_order_is_cancelled_only_where_the_operator_wants_it(
    aws: Aws, sweep: Sweep, provider: FakeProvider, clock: Clock
) -> None:
    job_in(aws, State.STALLED)
    provider.status_answers = [RUNNING, RUNNING]
    sweep.handle()
    assert provider.cancelled == []
    strict = make_sweep(aws, provider, clock, cancel_stalled=True)
    assert strict.handle() == {"asked to cancel": 1}
    assert provider.cancelled == ["p-1"]


def test_a_lost_order_that_is_found_goes_on(aws: Aws, sweep: Sweep, provider: FakeProvider) -> None:
    job_in(aws, State.UNKNOWN)
    provider.find_answers = [["p-7"]]
    assert sweep.handle() == {"found": 1}
    assert resumed(aws)[0]["resume"] == {"provider_job_id": "p-7", "listed": True}


@pytest.mark.parametrize("found", [[], None, ["p-7", "p-8"]])
def test_a_lost_order_that_is_not_clearly_found_stays_unknown(
    aws: Aws, sweep: Sweep, provider: FakeProvider, clock: Clock, found: Any
) -> None:
    job = job_in(aws, State.UNKNOWN)
    provider.find_answers = [found, found]
    assert sweep.handle() == {"still unknown": 1}
    clock.pass_time(days=4)
    assert sweep.handle() == {"given up": 1}
    assert aws.ledger.require(job.job_id).state is State.UNKNOWN


@pytest.mark.parametrize("state", [State.SUBMITTING, State.SUBMITTED, State.RUNNING, State.READY])
def test_a_job_without_an_execution_goes_on_after_its_deadline(
    aws: Aws, sweep: Sweep, clock: Clock, state: State
) -> None:
    job = job_in(aws, state)
    assert sweep.handle() == {"under way": 1}
    clock.pass_time(hours=3)
    assert sweep.handle() == {"stuck": 1}
    assert resumed(aws)[0]["job_id"] == job.job_id


def test_a_claimed_job_whose_start_was_lost_is_started(
    aws: Aws, sweep: Sweep, clock: Clock
) -> None:
    job = job_in(aws, State.CLAIMED)
    clock.pass_time(hours=3)
    assert sweep.handle() == {"started": 1}
    (execution,) = aws.executions()
    assert execution["name"] == job.execution_name
    assert "resume" not in resumed(aws)[0]


def test_a_claimed_job_whose_execution_has_ended_gets_a_new_one_that_may_order(
    aws: Aws, sweep: Sweep, clock: Clock
) -> None:
    job = job_in(aws, State.CLAIMED)
    started = aws.workflow.start_execution(
        stateMachineArn=aws.machine_arn, name=job.execution_name, input="{}"
    )
    aws.workflow.stop_execution(executionArn=started["executionArn"])
    clock.pass_time(hours=3)
    assert sweep.handle() == {"started": 1}
    assert sweep.handle() == {"under way": 1}
    (again,) = [given for given in resumed(aws) if given]
    assert again == workflow_input(job)
    for execution in aws.executions():
        aws.workflow.stop_execution(executionArn=execution["executionArn"])
    assert sweep.handle() == {"stuck": 1}


def test_a_job_whose_execution_runs_is_left_alone(aws: Aws, sweep: Sweep, clock: Clock) -> None:
    job = job_in(aws, State.RUNNING)
    aws.workflow.start_execution(stateMachineArn=aws.machine_arn, name=job.execution_name)
    clock.pass_time(hours=3)
    assert sweep.handle() == {"under way": 1}


SETTLED_STATES = [State.DELIVERED, State.REFUSED, State.FAILED, State.CANCELLED]


@pytest.mark.parametrize("state", SETTLED_STATES)
def test_settled_jobs_that_people_know_of_are_looked_at_no_more(
    aws: Aws, sweep: Sweep, state: State
) -> None:
    job_in(aws, state)
    assert sweep.handle() == {"settled": 1}
    assert sweep.handle() == {}
    assert aws.executions() == []


@pytest.mark.parametrize("state", [*SETTLED_STATES, State.STALLED, State.UNKNOWN])
def test_a_job_whose_mail_was_never_sent_is_resumed_to_send_it(
    aws: Aws, sweep: Sweep, clock: Clock, state: State
) -> None:
    job = job_in(aws, state)
    aws.table.update(Update(f"NOTICE#{job.mail_id}", removes=["told_at"]))
    clock.pass_time(hours=3)
    assert sweep.handle() == {"untold": 1}
    assert resumed(aws)[0]["job_id"] == job.job_id


def test_a_provider_that_hangs_does_not_use_up_the_time_of_the_others(
    aws: Aws, provider: FakeProvider, clock: Clock
) -> None:
    done: list[str] = []

    class Slow(FakeProvider):
        def find_orders(self, *_: Any) -> None:
            done.append("list of luma")
            clock.pass_time(seconds=PROVIDER_S)

    for number in range(3):
        unknown(aws, f"luma{number}", "luma")
    unknown(aws, "fal0", "fal")
    provider.find_answers = [[]]
    sweep = make_sweep(
        aws,
        provider,
        clock,
        provider=lambda name: Slow() if name == "luma" else provider,
        chores=[lambda: done.append("chore")],
    )
    assert sweep.handle() == {"still unknown": 2, "put off": 2}
    assert done == ["chore", "list of luma"]
    assert provider.find_answers == []


def unknown(aws: Aws, job_id: str, provider: str) -> None:
    job = aws.ledger.claim(make_job(job_id=job_id, provider=provider))
    for step in PATHS[State.UNKNOWN]:
        times = {"asked_at": "2026-11-20T09:30:00.000Z"} if step is State.SUBMITTING else {}
        job = aws.ledger.move(job, step, **times)
    told(aws, job)


def test_each_sweep_begins_with_another_job_and_all_have_their_turn(
    aws: Aws, sweep: Sweep, clock: Clock
) -> None:
    jobs = [str(number) for number in range(50)]
    first = set()
    for _ in range(3 * len(jobs)):
        turned = sweep._rotated(jobs)
        assert sorted(turned) == sorted(jobs)
        first.add(turned[0])
        clock.pass_time(minutes=30)
    assert first == set(jobs)
    assert sweep._rotated([]) == []


def test_a_sweep_without_time_puts_the_rest_off(aws: Aws, sweep: Sweep) -> None:
    job_in(aws, State.STALLED)
    assert sweep.handle(lambda: MARGIN_S - 1) == {"put off": 1}


def test_one_odd_chore_does_not_keep_the_others_from_being_done(
    aws: Aws, provider: FakeProvider, clock: Clock
) -> None:
    done: list[str] = []

    def broken() -> None:
        raise KeyError("chore")

    chores = [broken, lambda: done.append("other")]
    assert make_sweep(aws, provider, clock, chores=chores).handle() == {}
    assert done == ["other"]


def test_one_odd_job_does_not_keep_the_others_from_being_looked_at(
    aws: Aws, provider: FakeProvider, clock: Clock
) -> None:
    job_in(aws, State.STALLED)
    aws.ledger.claim(make_job(job_id="other"))

    def broken(name: str) -> FakeProvider:
        raise KeyError(name)

    sweep = make_sweep(aws, provider, clock, provider=broken)
    assert sweep.handle() == {"failed": 1, "under way": 1}


def test_what_the_sweep_found_and_what_is_spent_is_measured(
    aws: Aws,
    provider: FakeProvider,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    job_in(aws, State.RUNNING)
    reservation = Reservation.at(NOW, Decimal("1.50"))
    caps = Caps(Decimal(5), Decimal(6), Decimal(10))
    aws.ledger.move_reserving(
        aws.ledger.claim(make_job(job_id="another")), State.SUBMITTING, reservation, caps
    )
    clock.pass_time(hours=3)
    metrics.clear_metrics()
    make_sweep(aws, provider, clock, caps=caps).handle()
    counted = {name: found["Value"] for name, found in metrics.provider.metric_set.items()}
    assert (counted["JobsStuck"], counted["JobsResumed"]) == ([2.0], [1.0])
    found = emitted(capsys.readouterr().out.splitlines())
    measured = {series.metric.name: values for series, values in found.items()}
    assert (measured["SpentToday"], measured["BudgetUsed"]) == ([1.5], [25.0])


def test_a_job_that_the_sweep_has_resumed_does_not_count_as_stuck(
    aws: Aws, sweep: Sweep, provider: FakeProvider
) -> None:
    job_in(aws, State.STALLED)
    provider.status_answers = [RUNNING]
    metrics.clear_metrics()
    sweep.handle()
    assert "JobsStuck" not in metrics.provider.metric_set


def test_trouble_with_one_line_does_not_keep_the_sweep_from_the_others(
    aws: Aws, provider: FakeProvider, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = aws.slots(clock)
    healed = []

    def heal(_: Slots, name: str, needs_slot: Any) -> int:
        healed.append(name)
        if len(healed) == 1:
            raise ValueError("odd item")
        return 0

    monkeypatch.setattr(Slots, "heal", heal)
    assert make_sweep(aws, provider, clock, slots=slots).handle() == {"failed": 1}
    assert healed == [*CATALOG]
