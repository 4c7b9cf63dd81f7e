"""Files on this computer as they would lie in the inbox, read by the same code as there.

Where files are about to be dropped, what lies around them in the inbox counts as it will there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from cli.around import Around, Nothing
from cli.errors import CommandError
from cli.facts import prefix_of
from dropreel.drops.fields import json_fields
from dropreel.drops.folder import BatchFile, defaults_of, read_batch_file
from dropreel.drops.inbox import Drop, Inbox
from dropreel.drops.pairing import (
    BATCHES,
    SETTINGS_ENDING,
    SUFFIXES,
    file_of,
    images_of,
    is_image,
    is_left_over,
    is_reference,
    is_sidecar,
    listing_prefix,
    sidecars_of,
)
from dropreel.jobs.naming import split_ending, stem

_NOBODY: Any = None  # no S3 behind these files


class Files(Inbox):
    """An inbox with these files in it. `contents` are files, or texts that the command wrote.

    `around` is what lies there besides.
    """

    def __init__(
        self, contents: Mapping[str, Path | bytes], around: Around | Nothing | None = None
    ) -> None:
        self.around = around or Nothing()
        super().__init__(_NOBODY, self.around.bucket)
        self.contents = contents

    @classmethod
    def of(
        cls,
        paths: Iterable[Path],
        fields: Mapping[str, Any],
        folder: str = "",
        around: Around | None = None,
    ) -> Files:
        """The files and folders that were named; an image brings its sidecars along.

        `fields` count more than what any file says: they are put into each image's sidecar.
        `folder` is the one of the inbox that all of them would lie in.
        """
        found: dict[str, Path | bytes] = {}
        prefix = prefix_of(folder)
        for path in paths:
            if not path.exists():
                raise CommandError(f"there is no {path}")
            for base, file in _files(path):
                _add(found, prefix + file.relative_to(base).as_posix(), file)
        for image in [key for key in found if _makes_a_clip(key)] if fields else ():
            name, data = _with_fields(image, cls(found, around), fields)
            found[name] = data
        return cls(found, around)

    @cached_property
    def images(self) -> list[str]:
        """Of these files, and those in the inbox that a sidecar or a batch of these speaks for."""
        spoken_for = (image for key in self.contents for image in self._spoken_for(key))
        return sorted({*filter(_makes_a_clip, self.contents), *spoken_for})

    def speakers(self, image: str) -> list[str]:
        """The sidecars and batches among these files that speak for an image."""
        return [key for key in self.contents if image in self._spoken_for(key)]

    def _spoken_for(self, key: str) -> list[str]:
        if is_sidecar(key):
            return [one for one in images_of(key, self.partners(key)) if _makes_a_clip(one)]
        rows = found.batch.rows if (found := self.batches.get(key)) else ()
        return [row.image for row in rows if _makes_a_clip(row.image) and self.head(row.image)]

    @cached_property
    def batches(self) -> dict[str, BatchFile]:
        keys = [key for key in self.contents if file_of(key) in BATCHES]
        read = {key: read_batch_file(self, key, defaults_of(self, key)) for key in keys}
        return {key: found for key, found in read.items() if found}

    @property
    def in_order(self) -> list[str]:
        """As they may be uploaded: nothing comes before what it names."""
        return sorted(self.contents, key=lambda key: (_makes_a_clip(key), not is_reference(key)))

    @property
    def lonely(self) -> list[str]:
        """Sidecars without an image."""
        own = [key for key in self.contents if split_ending(key)[1] == SETTINGS_ENDING]
        return sorted(key for key in own if is_sidecar(key) and not self._spoken_for(key))

    def bytes_of(self, key: str) -> bytes:
        found = self.contents[key]
        return found.read_bytes() if isinstance(found, Path) else found

    def head(self, key: str) -> Drop | None:
        if key not in self.contents:
            return self.around.head(key)
        return Drop(key, key, len(self.bytes_of(key)), datetime.now(UTC))

    def partners(self, key: str) -> list[str]:
        own = [other for other in self.contents if other.startswith(listing_prefix(key))]
        return [*dict.fromkeys([*own, *self.around.partners(key)])]

    def below(self, folder: str) -> dict[str, datetime]:
        now = datetime.now(UTC)
        return {key: now for key in self.contents if key.startswith(folder)}

    def read_sidecar(self, sidecar: Drop) -> bytes:
        if sidecar.key not in self.contents:
            return self.around.read_sidecar(sidecar)
        return self.bytes_of(sidecar.key)

    def read(self, key: str, most: int) -> tuple[Drop, bytes] | None:
        if key not in self.contents:
            return self.around.read(key, most)
        drop = self.head(key)
        return (drop, self.bytes_of(key)[: most + 1]) if drop else None

    def sha256(self, image: Drop) -> str:
        if image.key not in self.contents:
            return self.around.sha256(image)
        return hashlib.sha256(self.bytes_of(image.key)).hexdigest()

    def reader(self, image: Drop) -> Any:
        if image.key not in self.contents:
            return self.around.reader(image)
        return _Reader(self.bytes_of(image.key))


class _Reader:
    """Ranged reads of one file."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + max(0, length)]


def _files(path: Path) -> Iterator[tuple[Path, Path]]:
    """Files with the folder that their keys begin in."""
    if path.is_dir():
        yield from ((path, file) for file in sorted(path.rglob("*")) if _is_meant(file))
        return
    yield path.parent, path
    if is_image(path.name):
        beside = [file.name for file in path.parent.iterdir() if file.is_file()]
        yield from ((path.parent, path.parent / name) for name in sidecars_of(path.name, beside))


def _add(found: dict[str, Path | bytes], key: str, file: Path) -> None:
    """One key is one file: of two, one would be lost, and the wrong prompt be paid."""
    other = found.setdefault(key, file)
    if isinstance(other, Path) and not other.samefile(file):
        raise CommandError(f"{other} and {file} would both be {key} in the inbox: drop one alone")


def _is_meant(file: Path) -> bool:
    return file.is_file() and file.suffix.lower() in _SUFFIXES and not is_left_over(file.as_posix())


_SUFFIXES = frozenset(f".{suffix.rpartition('.')[2]}" for suffix in SUFFIXES)


def _makes_a_clip(key: str) -> bool:
    return is_image(key) and not is_reference(key)


def _with_fields(image: str, files: Files, fields: Mapping[str, Any]) -> tuple[str, bytes]:
    """The image's sidecar with these fields; a new one where there is none.

    It takes the place of the nearest one in the inbox, which would count more than it.
    """
    own = _settings_of(image, files.contents)
    said = json_fields(own[0], files.bytes_of(own[0])) if own else None
    if said and said.problems:
        raise CommandError(f"{own[0]} cannot be changed by --set: {said.problems[0]}")
    values = {**(said.values if said else {}), **fields}
    nearest = [*_settings_of(image, files.partners(image)), f"{stem(image)}{SETTINGS_ENDING}"][0]
    return nearest, json.dumps(values, indent=2, ensure_ascii=False).encode()


def _settings_of(image: str, keys: Iterable[str]) -> list[str]:
    return [key for key in sidecars_of(image, keys) if split_ending(key)[1] == SETTINGS_ENDING]
