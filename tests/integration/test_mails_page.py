"""`docs/mails.md` says what is sent: its fields, its attributes, its example of a filter."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest

from dropreel.mail.message import Mail
from dropreel.mail.publisher import Publisher
from tests.conftest import ROOT
from tests.golden import cases
from tests.support.aws import Aws, Mailbox

PAGE = (ROOT / "docs" / "mails.md").read_text(encoding="utf-8")
MAILS = cases.mails()
SHAPES = {
    "About a job": ("delivered estimate", "failed transient paid", "operator unknown"),
    "About a rejected drop": ("rejected gif",),
    "A digest": ("digest",),
    "An alert": ("alert cap reached",),
}


def fields_of(shape: str) -> dict[str, str]:
    """The fields of the table under the line that begins so, with what is said of them."""
    table = PAGE.partition(f"\n{shape} ")[2].partition("\n\n")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`.+?) \| (.*) \|$", table, re.MULTILINE)
    return {name: said for names, said in rows for name in re.findall(r"`(\w+)`", names)}


@pytest.mark.parametrize(
    ("shape", "name"), [(shape, name) for shape, names in SHAPES.items() for name in names]
)
def test_every_field_of_a_document_is_told_and_there(shape: str, name: str) -> None:
    told = fields_of(shape)
    there = set(MAILS[name].document)
    conditional = {field for field, said in told.items() if " - only `delivered`" in said}
    assert there <= set(told)
    assert set(told) - conditional <= there
    if MAILS[name].document["outcome"] == "delivered":
        assert conditional <= there
    else:
        assert not conditional & there


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
    table = PAGE.partition("## Getting some of them")[2].partition("\n##")[0]
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
