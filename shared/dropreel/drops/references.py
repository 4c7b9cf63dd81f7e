"""Images in the inbox that guide the look of a clip: found, checked and known by their content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dropreel.drops.image import ImageInfo, inspect_image
from dropreel.drops.inbox import Drop, Inbox
from dropreel.drops.kinds import MAX_REFERENCES
from dropreel.drops.sidecar import Sidecar
from dropreel.errors import Problem, RejectedError
from dropreel.jobs.naming import folder_of

_MAX_BYTES = 100_000_000  # all of them together, which are read once
_FIELD = "reference_images"
_PLACES = (
    "the name of an image in the same folder, /folder/image.png from the inbox's top, or https"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """One image as it lies in the inbox now. `sha256` is the hex digest of its bytes."""

    drop: Drop
    info: ImageInfo
    sha256: str

    @property
    def pinned_key(self) -> str:
        """Of its copy, which any number of jobs may use: it is named by its content."""
        return f"sources/{self.sha256}{self.info.extension}"


def addresses_in(sidecar: Sidecar) -> tuple[str, ...]:
    """All references that lie elsewhere."""
    named = (place for place in sidecar.reference_images if _is_address(place))
    return tuple(dict.fromkeys((*sidecar.reference_image_urls, *named)))


def find_references(inbox: Inbox, image_key: str, sidecar: Sidecar) -> tuple[Reference, ...]:
    """The references that lie in the inbox. Raises RejectedError with all that is wrong."""
    places = [place for place in sidecar.reference_images if not _is_address(place)]
    number = len(places) + len(addresses_in(sidecar))
    if number > MAX_REFERENCES:
        raise RejectedError([Problem(_FIELD, f"{number} in all", f"up to {MAX_REFERENCES}")])
    found = {place: inbox.head(_key_of(place, image_key)) for place in places}
    missing = [Problem(_FIELD, f"{place}, which is not in the inbox", _PLACES)
               for place, drop in found.items() if drop is None]  # fmt: skip
    drops = [drop for drop in found.values() if drop]
    if sum(drop.size for drop in drops) > _MAX_BYTES:
        missing.append(Problem(_FIELD, "more than 100 MB", "at most 100 MB together"))
    if missing:
        raise RejectedError(missing)
    return _checked(inbox, drops)


def _checked(inbox: Inbox, drops: Sequence[Drop]) -> tuple[Reference, ...]:
    found: list[Reference] = []
    problems: list[Problem] = []
    for drop in drops:
        try:
            info = inspect_image(inbox.reader(drop))
            found.append(Reference(drop, info, inbox.sha256(drop)))
        except RejectedError as error:
            problems += [
                Problem(_FIELD, f"{drop.key}: {one.found}", one.allowed, one.hint)
                for one in error.problems
            ]
    if problems:
        raise RejectedError(problems)
    return tuple(found)


def _key_of(place: str, image_key: str) -> str:
    """`/a/b.png` begins at the inbox's top, `b.png` in the image's folder."""
    return place[1:] if place.startswith("/") else folder_of(image_key) + place


def _is_address(place: str) -> bool:
    return place.startswith("https://")
