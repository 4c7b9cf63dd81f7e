"""What all pages have in common: the document around them, its headers, and its files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from dropreel.pages.markup import Markup, tag

# A page's own files: style, script, icon. Their names have a dot, which no token has.
_TYPES = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_FOLDER = Path(__file__).parent / "files"

_ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow",
}


def document(title: str, *content: str) -> str:
    """A whole page; its files are named relatively, so that it works below any address."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="robots", content="noindex, nofollow"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("link", rel="icon", href="icon.svg"),
        tag("link", rel="stylesheet", href="page.css"),
        tag("script", src="page.js", defer=True),
    )
    return "<!doctype html>" + tag("html", head, tag("body", *content), lang="en")


def footer(until: int) -> Markup:
    """`until`: when the link ends, in unix seconds."""
    end = datetime.fromtimestamp(until, UTC)
    words = f"This link works until {end.day} {end:%B %Y, %H:%M} UTC, for everyone who has it."
    return tag("footer", tag("p", words))


def page_headers(origin: str = "'none'") -> dict[str, str]:
    """Of a page: it runs its own script only, and shows pictures and clips of `origin` only."""
    pictures = "'self'" if origin == "'none'" else f"'self' {origin}"
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        f"img-src {pictures}; media-src {origin}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        **_ALWAYS,
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": policy,
        "cache-control": "private, no-store",
    }


def file_headers(name: str) -> Mapping[str, str]:
    return {**_ALWAYS, "content-type": _TYPES[name], "cache-control": "public, max-age=3600"}


@cache
def page_file(name: str) -> str | None:
    """The text of one of the pages' own files."""
    return (_FOLDER / name).read_text(encoding="utf-8") if name in _TYPES else None


def nothing_yet() -> str:
    """For a folder in which nothing was ordered so far."""
    return document(
        "No clips yet",
        tag("header", tag("h1", "No clips here yet")),
        tag("main", tag("p", "Clips of images in this folder will appear on this page.")),
    )


def nothing_here() -> str:
    """For whoever has no valid link: one page that tells nothing else."""
    return document(
        "Link ended",
        tag("header", tag("h1", "This link does not open a page")),
        tag(
            "main",
            tag("p", "It has ended, or a part of it is missing."),
            tag(
                "p",
                "Copy the whole link from your mail. For a new link, drop the image again "
                "unchanged: nothing is paid for that. Clips are not deleted when a link ends.",
            ),
        ),
    )
