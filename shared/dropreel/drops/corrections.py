"""What a broken JSON file was probably meant to be: the usual mistakes of people, corrected.

Nothing is ordered by what is corrected here: the mail shows it, and its reader decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from unicodedata import category

_LONGEST = 4000  # characters: more are not pasted from a mail

_CURLY = str.maketrans(dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb", '"'))
_SINGLE = str.maketrans(dict.fromkeys("\u2018\u2019\u201a\u201b", "'"))
_WORDS = {"True": "true", "False": "false", "None": "null"}

_TOKEN = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*")"""
    r"""|(?P<single>'(?:\\.|[^'\\])*')"""
    r"""|(?P<comment>//[^\n]*|\#[^\n]*|/\*.*?\*/)"""
    r"""|(?P<word>[\w$][\w$.-]*)""",
    re.DOTALL,
)
_NUMBER = re.compile(r"\d+(\.\d+)?([eE]\d+)?")
_TRAILING_COMMA = re.compile(r"""("(?:\\.|[^"\\])*")|,(?=\s*[}\]])""", re.DOTALL)
_STARTS_LIKE_JSON = re.compile(r"""\s*[{\["'\u201c\u201d\u201e]|\s*[\w-]+\s*:""")


def corrected(text: str) -> str | None:
    """The JSON object that `text` was probably meant to be, ready to paste; None if unknown."""
    if len(text) > _LONGEST:
        return None
    return next((found for one in _readings(text) if (found := _as_object(one))), None)


def _readings(text: str) -> Iterator[str]:
    """What may have been meant, with the least change first."""
    yield text
    straight = text.translate(_CURLY)
    for one in (text, straight, straight.translate(_SINGLE)):
        tidy = _tidied(one)
        yield tidy
        yield f"{{{tidy.strip().rstrip(',')}}}"  # without the braces around it
    if not _STARTS_LIKE_JSON.match(text):
        yield json.dumps({"prompt": text.strip()})


def _tidied(text: str) -> str:
    """Without comments and trailing commas; single quotes, bare names and Python's words as JSON
    writes them."""
    plain = _TOKEN.sub(_token, text)
    return _TRAILING_COMMA.sub(lambda found: found[1] or "", plain)


def _token(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "single":
            inner = found[0][1:-1].replace("\\'", "'")
            return '"' + re.sub(r'(?<!\\)"', r"\"", inner) + '"'
        case "comment":
            return ""
        case "word":
            return _word(found[0])
    return found[0]


def _word(word: str) -> str:
    if word in ("true", "false", "null") or _NUMBER.fullmatch(word):
        return word
    return _WORDS.get(word, f'"{word}"')


def _as_object(text: str) -> str | None:
    """The object in `text`, written anew; line breaks inside of texts are taken as they are."""
    try:
        loaded = json.loads(text, strict=False, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    if not isinstance(loaded, dict) or not loaded:
        return None
    anew = json.dumps(loaded, indent=2, ensure_ascii=False)
    return anew if all(map(_can_be_mailed, anew)) else None


def _can_be_mailed(char: str) -> bool:
    """No control character, and no half of one, which no file can hold either."""
    return char == "\n" or char.isprintable() or category(char) == "Zs"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError
    return dict(pairs)
