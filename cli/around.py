"""What lies in the inbox around files that are about to be dropped."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from cli.errors import is_denied
from dropreel.drops.inbox import Drop, Inbox

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")
_NOBODY: Any = None  # no S3 behind it


class Nothing(Inbox):
    """An inbox in which nothing lies."""

    hidden = False

    def __init__(self) -> None:
        super().__init__(_NOBODY, "files")

    def head(self, key: str) -> Drop | None:  # noqa: ARG002 - as an inbox has it
        return None

    def partners(self, key: str) -> list[str]:  # noqa: ARG002
        return []

    def read(self, key: str, most: int) -> tuple[Drop, bytes] | None:  # noqa: ARG002
        return None


class Around(Inbox):
    """The inbox as far as these credentials may read it; each file is read once.

    `hidden`: something was asked for that they may not read, so it counts as not there.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        super().__init__(client, bucket)
        self.hidden = False
        self._read: dict[str, tuple[Drop, bytes] | None] = {}

    def head(self, key: str) -> Drop | None:
        return self._if_allowed(lambda: super(Around, self).head(key), None)

    def partners(self, key: str) -> list[str]:
        return self._if_allowed(lambda: super(Around, self).partners(key), [])

    def read(self, key: str, most: int) -> tuple[Drop, bytes] | None:
        if key not in self._read:
            self._read[key] = self._if_allowed(lambda: super(Around, self).read(key, most), None)
        return self._read[key]

    def _if_allowed(self, read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except ClientError as error:
            if not is_denied(error):
                raise
            self.hidden = True
            return otherwise
