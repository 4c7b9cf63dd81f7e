"""Which function may read, list and write which items of the ledger."""

from __future__ import annotations

from tests.support.stack import Document
from tests.template.permissions import Grant, grants

LINE = {"WAITING", "SLOTS"}
WRITTEN = {
    "SubmitFunction": {
        *("JOB", "GROUP", "BATCH", "NEWEST", "NOTICE", "MAILS", "WAITING", "SELFTEST"),
        *("MISSED", "REJECTED"),
    },
    "SlotFunction": {"PARKED", *LINE},
    "GenerateFunction": {
        *("JOB", "GROUP", "NEWEST", "BREAKER", "BUDGET", "PAUSE", "NOTICE", "MAILS"),
        *LINE,
    },
    "PollFunction": {"JOB", "BUDGET", "RUNTIMES", *LINE},
    "FinalizeFunction": {"JOB", "GROUP", "BUDGET", "NOTICE", "MAILS"},
    "SweepFunction": {
        *("JOB", "GROUP", "BATCH", "NOTICE", "MAILS", "INBOX", "MISSED", "CHECKUP"),
        *LINE,
    },
}


def at_the_ledger(made: Document) -> list[Grant]:
    return [grant for grant in grants(made) if grant.concerns("LedgerTable")]


LISTED = {
    "SubmitFunction": {"MAILS", "BATCH"},
    "SlotFunction": {"WAITING"},
    "GenerateFunction": {"WAITING"},
    "PollFunction": {"WAITING"},
    "SweepFunction": {"WAITING", "MAILS"},
}


def more_in_the_ledger(made: Document) -> list[str]:
    """Each function lists and writes its own items; nobody deletes more than places in a line."""
    return [
        str(grant)
        for grant in at_the_ledger(made)
        if grant.resource == {"Fn::GetAtt": ["LedgerTable", "Arn"]}
        and (grant.families is None or grant.families - _allowed(grant))
    ]


def _allowed(grant: Grant) -> set[str]:
    if grant.action == "dynamodb:GetItem":
        return READ_ALONE.get(grant.owner, grant.families or set())
    if grant.action == "dynamodb:Query":
        return LISTED.get(grant.owner, set())
    written = WRITTEN.get(grant.owner, set())
    return written & LINE if grant.action == "dynamodb:DeleteItem" else written


# `view` stands in the internet, and the widget shows what anybody may see on the dashboard.
READ_ALONE = {"ViewFunction": {"JOB"}, "WidgetFunction": {"PAUSE"}}
INDEXES = {
    ("SweepFunction", "unsettled"),
    ("WidgetFunction", "newest"),
    ("ViewFunction", "folders"),
}


def more_of_the_indexes(made: Document) -> list[str]:
    """The widget reads what the dashboard shows, and nothing else of the ledger."""
    allowed = {
        (owner, "dynamodb:Query", f"${{LedgerTable.Arn}}/index/{name}") for owner, name in INDEXES
    }
    return [
        str(grant)
        for grant in at_the_ledger(made)
        if "Fn::Sub" in grant.resource
        and (grant.owner, grant.action, grant.resource["Fn::Sub"]) not in allowed
    ]
