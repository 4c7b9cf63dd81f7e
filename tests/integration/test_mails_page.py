"""`docs/mails.md` says what is sent: its fields, its attributes, its example of a filter."""

from __future__ import annotations

import inspect
import json
import re
import shlex
from typing import Any

import pytest

from dropreel.jobs.job import ENDS
from dropreel.mail import operators
from dropreel.mail.message import Mail
from dropreel.mail.publisher import Publisher
from tests.conftest import ROOT
from tests.golden import cases
from tests.support.aws import Aws
from tests.support.mailboxes import Mailbox

PAGE = (ROOT / "docs" / "mails.md").read_text(encoding="utf-8")
MAILS = cases.mails()
SHAPES = {
    **dict.fromkeys(map(str, ENDS), "About a job"),
    "rejected": "About a rejected drop",
    "group": "About the takes",
    "waiting": "About clips that wait",
    "dry_run": "About a dry run",
    "digest": "A digest",
    "alert": "An alert",
}


def fields_of(shape: str) -> dict[str, str]:
    """The fields of the table under the line that begins so, with what is said of them."""
    table = PAGE.partition(f"\n{shape} ")[2].partition("\n\n")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`.+?) \| (.*) \|$", table, re.MULTILINE)
    return {name: said for names, said in rows for name in re.findall(r"`(\w+)`", names)}


@pytest.mark.parametrize("shape", dict.fromkeys(SHAPES.values()))
def test_every_field_of_a_document_is_told_and_there(shape: str) -> None:
    told = fields_of(shape)
    conditional = {field for field, said in told.items() if " - only " in said}
    documents = [
        mail.document for mail in MAILS.values() if SHAPES[mail.document["outcome"]] == shape
    ]
    for document in documents:
        assert set(told) - conditional <= set(document) <= set(told)
    assert set(told) == {field for document in documents for field in document}


def test_every_kind_of_alert_is_told() -> None:
    told = re.findall(r"`(\w+)`", fields_of("An alert")["alert"])
    kinds = re.findall(r'general_alert\(\s+"(\w+)"', inspect.getsource(operators))
    sent = {
        mail.document["alert"] for mail in MAILS.values() if mail.document["outcome"] == "alert"
    }
    assert set(told) == set(kinds) == sent


def test_every_attribute_and_outcome_is_told() -> None:
    table = PAGE.partition("## The attributes")[2].partition("##")[0]
    for mail in MAILS.values():
        assert {f"`{name}`" for name in mail.attributes} <= set(re.findall(r"`\w+`", table))
        assert f"`{mail.attributes['outcome']}`" in table


def policies() -> dict[str, dict[str, Any]]:
    command = re.search(r"^(aws sns subscribe .*?)\n```", PAGE, re.MULTILINE | re.DOTALL)
    assert command
    words = shlex.split(command[1])
    attributes = json.loads(words[words.index("--attributes") + 1])
    table = PAGE.partition("## Getting only some mails")[2].partition("\n##")[0]
    found = {
        who: json.loads(text)
        for who, text in re.findall(r"^\| (.+) \| `(\{.+\})` \|$", table, re.MULTILINE)
    }
    return {"example": json.loads(attributes["FilterPolicy"]), **found}


def in_folder(name: str, folder: str) -> Mail:
    mail = MAILS[name]
    return Mail(
        name,
        mail.text,
        {**mail.document, "name": name + folder},
        {**mail.attributes, "folder": folder},
    )


SENT = [
    in_folder("delivered estimate", "campaign/"),
    in_folder("failed transient paid", "campaign/"),
    in_folder("failed transient paid", "campaign/summer/"),
    in_folder("failed transient paid", "other/"),
    in_folder("rejected gif", "campaign/"),
]
FAILED, REJECTED = "failed transient paid", "rejected gif"
WANTED = {
    "example": {
        f"{FAILED}campaign/",
        f"{FAILED}campaign/summer/",
        f"{REJECTED}campaign/",
        "digest",
    },
    "everything in one folder, without its subfolders": {
        "delivered estimatecampaign/",
        f"{FAILED}campaign/",
        f"{REJECTED}campaign/",
    },
    "clips only, in any folder": {"delivered estimatecampaign/", "muted"},
    "jobs that may have cost money and have no clip": {
        f"{FAILED}campaign/",
        f"{FAILED}campaign/summer/",
        f"{FAILED}other/",
    },
    "clips from one provider": {"delivered estimatecampaign/", "muted"},
}


def test_every_policy_of_the_page_is_tried() -> None:
    assert set(policies()) == set(WANTED)


@pytest.mark.parametrize("who", WANTED)
def test_a_policy_of_the_page_lets_through_what_it_says(aws: Aws, who: str) -> None:
    topic = aws.results.topic_arn
    box = Mailbox(aws.results.sns, aws.sqs, "filtered", topic, policies()[who])
    publisher = Publisher(aws.results.sns, topic)
    for mail in SENT:
        publisher.send(mail)
    digest, clip = MAILS["digest"], MAILS["delivered estimate"]
    publisher.send(Mail("d", "", {"name": "digest"}, digest.attributes))
    publisher.send(Mail("m", "", {"name": "muted"}, clip.attributes), to_mailboxes=False)
    assert {document["name"] for document in box.take()} == WANTED[who]
