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

from dropreel.errors import LinkExpiredError, LinkInvalidError

_VERSION = 1
_HEAD = struct.Struct(">BcI")  # version, kind, end in unix seconds
_SIGNATURE = hashlib.sha256().digest_size


class Kind(Enum):
    JOB = b"j"
    IMAGE = b"i"
    FOLDER = b"f"


_PARTS = {Kind.JOB: 1, Kind.IMAGE: 2, Kind.FOLDER: 1}
_PART = 12  # bytes: the ids in `jobs.naming` have 24 hexadecimal digits


@dataclass(frozen=True, slots=True)
class Target:
    """The page that a token names: a job id, the ids of a folder and an image, or a folder's."""

    kind: Kind
    ids: tuple[str, ...]


def sign(target: Target, until: int, key: bytes) -> str:
    """A token for `target` that ends at `until` (unix seconds), in characters of URLs."""
    ids = bytes.fromhex("".join(target.ids))
    said = _HEAD.pack(_VERSION, target.kind.value, until) + ids
    return urlsafe_b64encode(said + _signature(said, key)).rstrip(b"=").decode()


def read(token: str, now: float, key: bytes) -> Target:
    """What `token` names. Raises LinkInvalidError, and LinkExpiredError after its end."""
    whole = _decoded(token)
    said, signature = whole[:-_SIGNATURE], whole[-_SIGNATURE:]
    if not hmac.compare_digest(signature, _signature(said, key)):
        raise LinkInvalidError("not signed by this stack")
    target, until = _parsed(said)
    if now >= until:
        raise LinkExpiredError("this link has ended")
    return target


def _signature(said: bytes, key: bytes) -> bytes:
    return hmac.new(key, said, hashlib.sha256).digest()


def _decoded(token: str) -> bytes:
    """The bytes of a token; nothing for what is none. One token has one way to be written."""
    try:
        whole = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (NotBase64Error, UnicodeEncodeError):
        return b""
    return whole if urlsafe_b64encode(whole).rstrip(b"=").decode() == token else b""


def _parsed(said: bytes) -> tuple[Target, int]:
    """Of what this stack has signed, perhaps in another version."""
    try:
        version, letter, until = _HEAD.unpack_from(said)
        kind = Kind(letter)
    except (struct.error, ValueError):
        raise LinkInvalidError("of another version") from None
    ids = said[_HEAD.size :]
    if version != _VERSION or len(ids) != _PART * _PARTS[kind]:
        raise LinkInvalidError("of another version")
    parts = tuple(ids[place : place + _PART].hex() for place in range(0, len(ids), _PART))
    return Target(kind, parts), until
