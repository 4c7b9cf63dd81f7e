"""docs/aws.md knows every condition key, and every file that it names is there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.conftest import ROOT
from tests.support.stack import Document

_KEY = re.compile(r"^(?:aws|dynamodb|s3|sns|sqs|lambda|kms|iam):")
_FILE = re.compile(r"`((?:tests|local|shared)/[\w/.]+\.(?:py|json))`")


def condition_keys(value: Any, *, inside: bool = False) -> Iterator[str]:
    """The keys that the conditions of policies compare."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if inside and _KEY.match(name):
                yield name
            else:
                yield from condition_keys(inner, inside=inside or name == "Condition")
    elif isinstance(value, list):
        for inner in value:
            yield from condition_keys(inner, inside=inside)


def page() -> str:
    return (ROOT / "docs" / "aws.md").read_text(encoding="utf-8")


def test_every_condition_key_of_the_template_has_its_row(template: Document) -> None:
    used = set(condition_keys(template))
    rows = set(re.findall(r"^\| `([\w:-]+)` \|", page(), re.MULTILINE))
    assert {"aws:SecureTransport", "dynamodb:LeadingKeys"} <= used
    assert used <= rows


def test_every_file_that_the_page_names_is_there() -> None:
    named = set(_FILE.findall(page()))
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
