"""Tokens of links: signed, each for one page and until one moment.

Invariant: a token opens the page that it names and nothing else, until its end. For name and end
are signed with a key that only this stack knows, and are read from the token only after the
signature has been compared. A new key makes all older tokens worthless.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64Error
from dataclasses import dataclass
from enum import Enum
from typing import Self

from dropreel.errors import LinkExpiredError, LinkInvalidError

_VERSION = 1
_HEAD = struct.Struct(">BcI")  # version, kind, end in unix seconds
_SIGNATURE = hashlib.sha256().digest_size


class PageKind(Enum):
    JOB = b"j"
    IMAGE = b"i"
    FOLDER = b"f"


_PARTS = {PageKind.JOB: 1, PageKind.IMAGE: 2, PageKind.FOLDER: 1}
_PART = 12  # bytes: the ids in `jobs.naming` have 24 hexadecimal digits


@dataclass(frozen=True, slots=True)
class Token:
    """What a link opens: a job's id, the ids of a folder and an image in it, or a folder's.

    It ends at `until`, in unix seconds.
    """

    kind: PageKind
    ids: tuple[str, ...]
    until: int

    def sign(self, key: bytes) -> str:
        """As it stands in a link, in characters of URLs."""
        ids = bytes.fromhex("".join(self.ids))
        said = _HEAD.pack(_VERSION, self.kind.value, self.until) + ids
        return urlsafe_b64encode(said + _signature(said, key)).rstrip(b"=").decode()

    @classmethod
    def read(cls, text: str, now: float, key: bytes) -> Self:
        """Raises LinkInvalidError, and LinkExpiredError after the token's end."""
        whole = _decoded(text)
        said, signature = whole[:-_SIGNATURE], whole[-_SIGNATURE:]
        if not hmac.compare_digest(signature, _signature(said, key)):
            raise LinkInvalidError("not signed by this stack")
        token = cls._of(said)
        if now >= token.until:
            raise LinkExpiredError("this link has ended")
        return token

    @classmethod
    def _of(cls, said: bytes) -> Self:
        """Of what this stack has signed, perhaps in another version."""
        try:
            version, letter, until = _HEAD.unpack_from(said)
            kind = PageKind(letter)
        except (struct.error, ValueError):
            raise LinkInvalidError("of another version") from None
        ids = said[_HEAD.size :]
        if version != _VERSION or len(ids) != _PART * _PARTS[kind]:
            raise LinkInvalidError("of another version")
        parts = (ids[place : place + _PART].hex() for place in range(0, len(ids), _PART))
        return cls(kind, tuple(parts), until)


def _signature(said: bytes, key: bytes) -> bytes:
    return hmac.new(key, said, hashlib.sha256).digest()


def _decoded(text: str) -> bytes:
    """The bytes of a token; nothing for what is none. One token has one way to be written."""
    try:
        whole = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (NotBase64Error, UnicodeEncodeError):
        return b""
    return whole if urlsafe_b64encode(whole).rstrip(b"=").decode() == text else b""
