"""Links to pages, as mails tell them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from aws_lambda_powertools.utilities.parameters import SecretsProvider

from dropreel.errors import LinkExpiredError, PageKeyError
from dropreel.jobs.naming import folder_id, image_id
from dropreel.pages.links import PageKey, PageLinks
from dropreel.pages.tokens import PageKind, Token
from tests.support.aws import FakeSecrets

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
VALUE = "s" * 64
JOB = "0123456789abcdef01234567"


def links(
    value: str | None = VALUE, days: int = 7, secrets: FakeSecrets | None = None
) -> PageLinks:
    provider = SecretsProvider(boto3_client=secrets or FakeSecrets(value))  # type: ignore[arg-type]
    return PageLinks(
        key=PageKey(provider, "page-key"),
        base_url="https://pages.example/",
        days=days,
        now=lambda: NOW,
    )


def opened(link: str | None, after: timedelta = timedelta()) -> tuple[PageKind, tuple[str, ...]]:
    """Kind and ids of what it opens."""
    assert link is not None
    base, _, token = link.rpartition("/")
    assert base == "https://pages.example"
    found = Token.read(token, (NOW + after).timestamp(), VALUE.encode())
    return found.kind, found.ids


def test_a_link_opens_the_page_of_one_job() -> None:
    assert opened(links().job(JOB)) == (PageKind.JOB, (JOB,))


def test_a_link_opens_the_page_of_one_image() -> None:
    expected = (PageKind.IMAGE, (folder_id("a/b/"), image_id("a/b/photo.jpg")))

    assert opened(links().image("a/b/photo.jpg")) == expected


@pytest.mark.parametrize(
    ("folder", "whole"), [("", ""), ("a", "a/"), ("a/b/", "a/b/"), ("a//", "a//"), ("/", "/")]
)
def test_a_link_opens_the_page_of_one_folder(folder: str, whole: str) -> None:
    assert opened(links().folder(folder)) == (PageKind.FOLDER, (folder_id(whole),))


def test_a_link_ends_after_as_many_days_as_were_set() -> None:
    link = links(days=3).job(JOB)

    assert opened(link, timedelta(days=3, seconds=-1)) == (PageKind.JOB, (JOB,))
    with pytest.raises(LinkExpiredError):
        opened(link, timedelta(days=3))


def test_links_that_last_no_days_are_off_and_read_no_key() -> None:
    secrets = FakeSecrets(VALUE)
    made = links(days=0, secrets=secrets)

    assert [made.job(JOB), made.image("a.jpg"), made.folder("")] == [None, None, None]
    assert secrets.reads == 0


@pytest.mark.parametrize("value", [None, "", "short"])
def test_a_mail_goes_without_a_link_while_there_is_no_good_key(value: str | None) -> None:
    assert links(value).job(JOB) is None
    with pytest.raises(PageKeyError):
        links(value).key.read()


def test_many_links_read_the_key_once() -> None:
    secrets = FakeSecrets(VALUE)
    made = links(secrets=secrets)
    for number in range(5):
        made.job(f"{number:024x}")

    assert secrets.reads == 1
