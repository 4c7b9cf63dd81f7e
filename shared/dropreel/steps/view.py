"""What a visitor of a page gets, made from the ledger at each visit.

Invariant: nothing is read from the ledger before the token has been checked, and then only the
job, image or folder that it names. Whatever opens nothing gets one and the same page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Self

from dropreel.errors import LinkExpiredError, LinkInvalidError
from dropreel.jobs.job import Job
from dropreel.jobs.naming import image_id
from dropreel.ledger.jobs import Ledger
from dropreel.pages.folder import folder_page
from dropreel.pages.layout import file_headers, nothing_here, nothing_yet, page_file, page_headers
from dropreel.pages.links import PageKey, PageKeySettings
from dropreel.pages.media import Media
from dropreel.pages.takes import clip_page, compare_page
from dropreel.pages.tokens import PageKind, Token
from dropreel.settings import LedgerSettings
from dropreel.steps.outcomes import ViewAnswer, ViewEvent

if TYPE_CHECKING:
    from dropreel.container import Container

MOST_TAKES = 60  # the newest ones, on the page of one image
MOST_JOBS = 2000  # of all images, on the pages of one folder


class ViewSettings(LedgerSettings, PageKeySettings):
    """What the `view` function needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the `view` function does."""

    ledger: Ledger
    media: Media
    key: PageKey
    now: Callable[[], datetime]

    @classmethod
    def build(cls, container: Container) -> Self:
        return cls(
            ledger=container.ledger,
            media=Media(container.clips),
            key=container.page_key,
            now=container.now,
        )

    def handle(self, event: ViewEvent) -> ViewAnswer:
        """One file of the pages, the page that the token names, or the one for everybody else."""
        file = page_file(event.name)
        if file is not None:
            return ViewAnswer(200, file_headers(event.name), file)
        try:
            token = Token.read(event.name, self.now().timestamp(), self.key.read())
            page = self._page(token, event.page)
        except LinkInvalidError as error:
            status = 410 if isinstance(error, LinkExpiredError) else 404
            return ViewAnswer(status, page_headers(), nothing_here())
        return ViewAnswer(200, page_headers(self.media.origin), page)

    def _page(self, token: Token, number: int) -> str:
        """Raises LinkInvalidError where there is nothing of that name any more."""
        jobs = self._jobs(token)
        if not jobs and token.kind is PageKind.FOLDER:
            return nothing_yet()
        if not jobs:
            raise LinkInvalidError("names nothing that is in the ledger")
        if token.kind is PageKind.JOB:
            return clip_page(jobs[0], self.media, token.until)
        if token.kind is PageKind.IMAGE:
            return compare_page(jobs, self.media, token.until)
        return folder_page(jobs, self.media, token.until, number, self._comparing(token))

    def _jobs(self, token: Token) -> list[Job]:
        if token.kind is PageKind.JOB:
            job = self.ledger.get(token.ids[0])
            return [job] if job else []
        if token.kind is PageKind.IMAGE:
            return list(islice(self.ledger.of_image(*token.ids), MOST_TAKES))
        return list(islice(self.ledger.of_folder(*token.ids), MOST_JOBS))

    def _comparing(self, folder: Token) -> Callable[[str], str]:
        """Links from a folder's page to its images': they end when the folder's does."""
        key = self.key.read()

        def link(image_key: str) -> str:
            ids = (*folder.ids, image_id(image_key))
            return Token(PageKind.IMAGE, ids, folder.until).sign(key)

        return link
