"""MiniStack that unpacks each archive once, however many Lambda workers run it.

A worker would unpack the 1500 files of the layer for itself, which takes longer than all else of
its start. Here it gets links to the files that the first one has unpacked.
Runs in MiniStack's own environment, so it uses nothing of dropreel.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any

from ministack import app
from ministack.core import lambda_runtime

_unpacked: dict[str, Path] = {}
_one_at_a_time = Lock()


class SharedArchive(zipfile.ZipFile):
    """An archive of which only the first `extractall` writes files."""

    def namelist(self) -> list[str]:
        """What lies at the top. MiniStack looks at every name; `extractall` strips ".." anyway."""
        return sorted({name.partition("/")[0] for name in super().namelist()})

    def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
        facts = [(info.filename, info.CRC, info.file_size) for info in self.infolist()]
        content = hashlib.sha256(repr(facts).encode()).hexdigest()
        with _one_at_a_time:
            if content not in _unpacked:
                folder = Path(tempfile.mkdtemp(prefix="unpacked-"))
                super().extractall(folder, members or self.infolist(), pwd)
                _unpacked[content] = folder
        for entry in _unpacked[content].iterdir():
            (Path(path) / entry.name).symlink_to(entry)


def main() -> None:
    if lambda_runtime.zipfile is not zipfile:
        raise RuntimeError("this version of MiniStack unpacks archives in another way")
    lambda_runtime.zipfile = SimpleNamespace(**{**vars(zipfile), "ZipFile": SharedArchive})
    app.main()


if __name__ == "__main__":
    main()
