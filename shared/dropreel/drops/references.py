"""Images in the inbox that guide the look of a clip: found, checked and known by their content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dropreel.drops.image import ImageInfo, inspect_image
from dropreel.drops.inbox import Drop, Inbox
from dropreel.drops.kinds import MAX_REFERENCES
from dropreel.drops.sidecar import Sidecar
from dropreel.errors import Problem, RejectedError
from dropreel.jobs.naming import folder_of

_MAX_BYTES = 100_000_000  # those of one take together
_FIELD = "reference_images"
_ALLOWED = (
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


def find_references(
    inbox: Inbox, image_key: str, takes: Sequence[Sidecar]
) -> list[tuple[Reference, ...]]:
    """Of each take those that lie in the inbox; each image is read once, whoever names it.

    Raises RejectedError with all that is wrong.
    """
    keys = [[_key_of(place, image_key) for place in _places(take)] for take in takes]
    found = {key: inbox.head(key) for key in dict.fromkeys(key for each in keys for key in each)}
    wrong = [one for take in takes for one in _problems(take, image_key, found)]
    if wrong:
        raise RejectedError(list(dict.fromkeys(wrong)))
    read = _checked(inbox, [drop for drop in found.values() if drop])
    return [tuple(read[key] for key in each) for each in keys]


def _problems(take: Sidecar, image_key: str, found: Mapping[str, Drop | None]) -> Iterator[Problem]:
    number = len(_places(take)) + len(addresses_in(take))
    if number > MAX_REFERENCES:
        yield Problem(_FIELD, f"{number} in all", f"up to {MAX_REFERENCES}")
    size = 0
    for place in _places(take):
        drop = found[_key_of(place, image_key)]
        size += drop.size if drop else 0
        if drop is None:
            yield Problem(_FIELD, f"{place}, which is not in the inbox", _ALLOWED)
    if size > _MAX_BYTES:
        yield Problem(_FIELD, "more than 100 MB", "at most 100 MB together")


def _checked(inbox: Inbox, drops: Sequence[Drop]) -> dict[str, Reference]:
    """By key."""
    found: dict[str, Reference] = {}
    problems: list[Problem] = []
    for drop in drops:
        try:
            info = inspect_image(inbox.reader(drop))
            found[drop.key] = Reference(drop, info, inbox.sha256(drop))
        except RejectedError as error:
            problems += [
                Problem(_FIELD, f"{drop.key}: {one.found}", one.allowed, one.hint)
                for one in error.problems
            ]
    if problems:
        raise RejectedError(problems)
    return found


def _places(sidecar: Sidecar) -> list[str]:
    return [place for place in sidecar.reference_images if not _is_address(place)]


def _key_of(place: str, image_key: str) -> str:
    """`/a/b.png` begins at the inbox's top, `b.png` in the image's folder."""
    return place[1:] if place.startswith("/") else folder_of(image_key) + place


def _is_address(place: str) -> bool:
    return place.startswith("https://")
