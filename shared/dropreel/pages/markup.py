"""HTML by elements. Only what `tag` has made is markup; everything else is text, and inert."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from html import escape

_VOID = frozenset({"img", "link", "meta", "source"})
_KEPT = "\n\u200c\u200d"  # lines of a prompt, and what joins the parts of an emoji


class Markup(str):
    """Text that is HTML already. Nobody but this module makes one."""

    __slots__ = ()


def tag(name: str, /, *content: str, **attributes: str | bool | None) -> Markup:
    """One element. An attribute that is True stands alone, one that is False or None is left out.

    A name's `_` stands for `-`; a last one lets it be a word of Python (`class_`).
    """
    start = f"<{name}{''.join(_attribute(*pair) for pair in attributes.items())}>"
    return Markup(start if name in _VOID else f"{start}{joined(content)}</{name}>")


def joined(parts: Iterable[str]) -> Markup:
    return Markup("".join(part if isinstance(part, Markup) else _inert(part) for part in parts))


def _attribute(name: str, value: str | bool | None) -> str:
    if value is None or value is False:
        return ""
    written = name.rstrip("_").replace("_", "-")
    return f" {written}" if value is True else f' {written}="{_inert(value)}"'


def _inert(text: str) -> str:
    """Other people's words: no markup, and nothing that turns the reading direction."""
    shown = (letter if _is_shown(letter) else " " for letter in text)
    return escape("".join(shown))


def _is_shown(letter: str) -> bool:
    return letter in _KEPT or unicodedata.category(letter)[0] != "C"
