"""Addresses of pages, as mails tell them: each opens one page for `LinkDays`, without a login."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from aws_lambda_powertools.utilities.parameters import GetParameterError, SecretsProvider
from pydantic import Field

from dropreel.errors import PageKeyError
from dropreel.jobs.naming import folder_id, folder_of, image_id
from dropreel.observability import logger
from dropreel.pages.tokens import PageKind, Token
from dropreel.settings import Settings

_CACHE_S = 60  # so long a changed key may go unnoticed
_MIN_KEY = 32  # characters; with a shorter one, or none, anybody could sign


class PageKeySettings(Settings):
    page_key_secret: str = ""


class LinkSettings(PageKeySettings):
    """Without these variables there are no pages."""

    link_days: Annotated[int, Field(ge=0)] = 0
    pages_url: str = ""


@dataclass(frozen=True, slots=True)
class PageKey:
    """The key that signs tokens, a secret that CloudFormation has generated."""

    secrets: SecretsProvider
    secret: str

    def read(self) -> bytes:
        """The key as it was at most a minute ago. Raises PageKeyError."""
        try:
            key = self.secrets.get(self.secret, max_age=_CACHE_S)
        except GetParameterError as error:
            raise PageKeyError("the key that signs links cannot be read") from error
        if not isinstance(key, str) or len(key) < _MIN_KEY:
            raise PageKeyError(f"the key that signs links has fewer than {_MIN_KEY} characters")
        return key.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLinks:
    """Makes links to pages. Each is None where there are no pages (`LinkDays` is 0).

    None, too, while the key cannot be read: no mail waits for its link.
    """

    key: PageKey
    base_url: str
    days: int
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def job(self, job_id: str) -> str | None:
        """The page of one clip."""
        return self._link(PageKind.JOB, job_id)

    def image(self, key: str) -> str | None:
        """The page that compares all clips of the image with this key in the inbox."""
        return self._link(PageKind.IMAGE, folder_id(folder_of(key)), image_id(key))

    def folder(self, folder: str) -> str | None:
        """The page with the newest clip of each image in a folder of the inbox.

        With or without the last slash; the empty one is the inbox itself.
        """
        whole = folder if folder.endswith("/") or not folder else f"{folder}/"
        return self._link(PageKind.FOLDER, folder_id(whole))

    def _link(self, kind: PageKind, *ids: str) -> str | None:
        if not self.days:
            return None
        until = int((self.now() + timedelta(days=self.days)).timestamp())
        try:
            return f"{self.base_url.rstrip('/')}/{Token(kind, ids, until).sign(self.key.read())}"
        except PageKeyError as error:
            logger.warning("no link to a page", reason=str(error))
            return None
