"""The largest group of takes, with the longest texts, stays below the limits of AWS."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dropreel.drops.kinds import MAX_PROMPT
from dropreel.drops.sidecar import MAX_TAKES
from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import Job, State
from dropreel.ledger.groups import Groups
from dropreel.ledger.table import Table
from dropreel.mail.group_text import group_ended
from dropreel.mail.message import Links
from dropreel.mail.publisher import Publisher
from local.faults.dynamo import Dynamo
from local.faults.services import RESULTS, Sns
from tests.support.accounts import caps
from tests.support.aws import NOW
from tests.support.groups import GROUP, fund, takes

SNOW = "\N{SNOWMAN}"
LONGEST_KEY = f"{SNOW * 340}.jpg"


def largest() -> list[Job]:
    return [
        replace(
            job,
            source=replace(job.source, key=LONGEST_KEY),
            settings=replace(job.settings, prompt=f"{number}{SNOW * (MAX_PROMPT - 2)}"),
            failure=JobFailure.of(FailureKind.UNEXPECTED, SNOW * 5000),
        )
        for number, job in enumerate(takes(MAX_TAKES))
    ]


def test_the_largest_group_is_claimed_and_funded_in_a_transaction_each_and_told_in_one_mail() -> (
    None
):
    dynamo: Any = Dynamo()
    groups = Groups(Table(dynamo, "ledger", sleep=lambda _: None))
    jobs = groups.claim(largest())
    fund(groups, jobs, caps())
    group = groups.tell(groups.require(GROUP), {job.job_id: State.FAILED.value for job in jobs})
    sns: Any = Sns(lambda: NOW)
    mail = group_ended(group, jobs, Links("eu-west-1", "clips"))
    Publisher(sns, RESULTS).send(mail)
    (published,) = sns.published
    assert len(published.document["takes"]) == MAX_TAKES
