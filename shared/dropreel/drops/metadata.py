"""What an image's object metadata says: every field of a sidecar, as `x-amz-meta-<field>`.

A name that is no field is refused, as in a sidecar: a typing error must not cost a clip. The names
that programs for uploading add by themselves are left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.errors import HeaderParseError
from email.header import decode_header, make_header

from dropreel.drops.fields import Fields, named
from dropreel.drops.sidecar import unknown_names
from dropreel.errors import UnreadableError

# Sources: the manuals of rclone (`mtime`, `md5chksum`), s3fs (`mode`, `uid` ...), s3cmd
# (`s3cmd-attrs`), AWS DataSync and Storage Gateway (`file-owner` ..., `user-agent`) and the S3
# encryption clients (`x-amz-...`).
_OF_TOOLS = frozenset(
    {
        *("mtime", "atime", "ctime", "btime", "md5chksum", "mode", "uid", "gid", "rdev", "xattr"),
        *("s3cmd_attrs", "user_agent", "user_agent_id"),
    }
)
_OF_TOOLS_BEGIN = ("file_", "x_amz_")


def metadata_fields(key: str, metadata: Mapping[str, str]) -> Fields:
    """The fields in the metadata of the image `key`, as S3 hands them out."""
    origin = f"{key} (metadata)"
    try:
        values = named((name, _decoded(value)) for name, value in metadata.items())
    except UnreadableError as error:
        return Fields(origin, problems=(error.problem("metadata"),))
    ours = {name: value for name, value in values.items() if value and not _is_of_tools(name)}
    unknown = unknown_names(ours)
    known = {name: value for name, value in ours.items() if not unknown_names([name])}
    return Fields(origin, known, tuple(unknown))


def _is_of_tools(name: str) -> bool:
    return name in _OF_TOOLS or name.startswith(_OF_TOOLS_BEGIN)


def _decoded(value: str) -> str:
    """S3 hands out metadata that is not ASCII as RFC 2047 words."""
    try:
        return str(make_header(decode_header(value)))
    except (ValueError, LookupError, HeaderParseError):
        return value
