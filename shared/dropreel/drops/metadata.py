"""What an image's object metadata says: every field of a sidecar, as `x-amz-meta-<field>`.

A name that is nearly a field's is refused, as in a sidecar: a typing error must not cost a clip.
All other names are left alone, because programs for uploading add names of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.errors import HeaderParseError
from email.header import decode_header, make_header

from dropreel.drops.fields import Fields, named
from dropreel.drops.sidecar import misspelt_names, unknown_names
from dropreel.errors import UnreadableError


def metadata_fields(key: str, metadata: Mapping[str, str]) -> Fields:
    """The fields in the metadata of the image `key`, as S3 hands them out."""
    origin = f"{key} (metadata)"
    try:
        values = named((name, _decoded(value)) for name, value in metadata.items())
    except UnreadableError as error:
        return Fields(origin, problems=(error.problem("metadata"),))
    said = {name: value for name, value in values.items() if value}
    known = {name: value for name, value in said.items() if not unknown_names([name])}
    return Fields(origin, known, tuple(misspelt_names(said)))


def _decoded(value: str) -> str:
    """S3 hands out metadata that is not ASCII as RFC 2047 words."""
    try:
        return str(make_header(decode_header(value)))
    except (ValueError, LookupError, HeaderParseError):
        return value
