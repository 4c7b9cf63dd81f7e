"""What a prompt says about motion, as far as words tell.

English only, like the model's own pages: about a prompt in another language nothing is said.
The words are those of the model's pages and of film making.
"""

from __future__ import annotations

import re

Words = re.Pattern[str]


def _words(*patterns: str) -> Words:
    return re.compile(rf"(?<![\w-])(?:{'|'.join(patterns)})(?![\w-])", re.IGNORECASE)


CAMERA = _words(
    r"cameras?",
    r"push(?:es|ing)?[ -]?(?:in|out|forward|back)",
    r"pull(?:s|ing)?[ -]?(?:in|out|back|away)",
    r"zoom\w*",
    r"doll(?:y|ies|ying)",
    r"(?:whip[ -])?pan(?:s|ning)?",
    r"tilt(?:s|ing)?",
    r"orbit\w*",
    r"track(?:s|ing)?(?: shot)?",
    r"crane",
    r"fly[ -]?(?:through|over|by)",
    r"handheld",
    r"parallax",
    r"(?:low|high)[ -]angle(?: shot)?",
    r"(?:steadicam|drone|aerial)(?: shot)?",
    r"time[ -]?lapse",
    r"slow[ -]?motion",
)
MOTION = _words(
    r"mov(?:e|es|ing|ement)",
    r"motions?",
    r"animat\w+",
    # Most verbs of motion end so when a prompt uses them: drifting, swaying, prowling.
    r"(?!(?:buildings?|evenings?|mornings?|paintings?|ceilings?|lightings?|clothings?|wedding|"
    r"rings?|kings?|wings?|strings?|springs?|things?|nothing|something|everything|being|"
    r"interesting|amazing|stunning|striking|outstanding|charming|during|including|spring|"
    r"drawings?|settings?|earrings?|sibling|awning|railing|ping|sing|bring)\b)\w{2,}ing",
    r"(?:drift|sway|wave|flow|fall|rise|ripple|flicker|float|spin|rotate|turn|walk|run|dance|blink"
    r"|breathe|blow|glow|shimmer|swirl|roll|open|close|jump|swim|fly|smile|look|nod|pour|melt|grow"
    r"|crash|dissolve|flutter|glide|approach|emerge)s?",
    r"breath",
    r"gusts?|breeze|wind|rain|snowfall|waves|smoke|steam|sparks",
)
MOOD = _words(
    r"cinematic|moody|dramatic|warm|cold|cool|soft|calm|serene|peaceful|tense|eerie|dreamy|gloomy",
    r"joyful|romantic|nostalgic|mysterious|epic|golden hour|sunset|sunrise|dawn|dusk|night|neon",
    r"light(?:ing)?|glow(?:ing)?|fog(?:gy)?|mist(?:y)?|haz[ey]|atmospher\w+|mood|color grad\w+",
    r"film look|realistic|ultra-realistic|photorealistic",
)
FAST = _words(
    r"fast[ -]paced|high[ -]speed|rapid(?:ly)?|frantic(?:ally)?|hectic|lightning[ -]fast",
    r"sprint(?:s|ing)?|fight(?:s|ing)?|battl(?:e|es|ing)|choreograph\w+|break ?danc\w+",
    r"(?:back|front)flips?|somersaults?|cartwheels?|acrobatic\w*|parkour|juggl\w+",
    r"explo(?:de|des|ding|sion|sions)|car chase|quick cuts|fast cuts",
)
MANY_PARTS = _words(
    r"crowds?|swarms?|flocks?|herds?|stampedes?|armies|army|parades?",
    r"(?:dozens|hundreds|thousands) of",
    r"(?:busy|crowded|bustling) (?:street|market|square|station|beach|city)\w*",
    r"traffic",
)
LOOP = _words(r"(?:seamless(?:ly)?[ -])?loop(?:s|ed|ing|able)?", r"looping")
_NO_LOOP = re.compile(
    r"\b(?:no|not|without|don'?t|do not|never)\b[^.,;]{0,20}\bloop", re.IGNORECASE
)
_IN_TURN = _words(r"then|before|after(?:wards)?|finally|followed by|first|next")

# What a clip of some seconds cannot do at once.
_OPPOSITES: tuple[tuple[str, Words, str, Words], ...] = (
    (
        "moving in",
        _words(
            r"push(?:es|ing)?[ -]?in", r"zoom(?:s|ing)?[ -]?in", r"dolly(?:ing)?[ -](?:in|forward)"
        ),
        "moving out",
        _words(
            r"pull(?:s|ing)?[ -]?(?:out|back|away)",
            r"zoom(?:s|ing)?[ -]?out",
            r"dolly(?:ing)?[ -](?:out|back)\w*",
        ),
    ),
    (
        "a pan to the left",
        _words(r"pan(?:s|ning)?(?: to the)? left"),
        "a pan to the right",
        _words(r"pan(?:s|ning)?(?: to the)? right"),
    ),
    (
        "a tilt up",
        _words(r"tilt(?:s|ing)? up\w*"),
        "a tilt down",
        _words(r"tilt(?:s|ing)? down\w*"),
    ),
    (
        "a camera that stands still",
        _words(
            r"(?:static|fixed|locked(?:[ -]off)?|stationary|still) (?:camera|shot)",
            r"camera (?:stays|is|remains) (?:still|static|fixed)",
            r"no camera (?:move|movement|motion)",
        ),
        "a camera that moves",
        _words(
            r"push(?:es|ing)?[ -]?in|pull(?:s|ing)?[ -]?(?:out|back)|orbit\w*|doll(?:y|ying)",
            r"handheld|zoom(?:s|ing)?[ -]?(?:in|out)|tracking shot|pan(?:s|ning)? (?:left|right)",
        ),
    ),
)
_ONE_WAY = _words(
    r"push(?:es|ing)?[ -]?(?:in|forward)",
    r"pull(?:s|ing)?[ -]?(?:out|back|away)",
    r"zoom(?:s|ing)?[ -]?(?:in|out)",
    r"dolly(?:ing)?[ -](?:in|out|forward|back)\w*",
    r"fly[ -]?(?:through|over|by)",
    r"walk(?:s|ing)? (?:away|off|past|towards?)",
)
_ENGLISH = _words("the", "a", "an", "of", "with", "and", "in", "on", "to", "at", "through", "is")


def is_english(prompt: str) -> bool:
    """Whether enough of the words are known to say what is missing among them."""
    letters = [char for char in prompt if char.isalpha()]
    return (
        bool(letters)
        and all(char.isascii() for char in letters)
        and (bool(_ENGLISH.search(prompt)) or bool(CAMERA.search(prompt)))
    )


def moves(prompt: str) -> bool:
    """Whether it names anything that moves, or how the camera moves."""
    return bool(CAMERA.search(prompt) or MOTION.search(prompt))


def opposites(prompt: str) -> tuple[str, str] | None:
    """Two moves that cannot be made at once, unless the prompt puts them one after the other."""
    if _IN_TURN.search(prompt):
        return None
    for one, its_words, other, other_words in _OPPOSITES:
        if its_words.search(prompt) and other_words.search(prompt):
            return one, other
    return None


def wishes_loop(prompt: str) -> bool:
    return bool(LOOP.search(prompt)) and not _NO_LOOP.search(prompt)


def goes_one_way(prompt: str) -> str:
    """The move after which the picture cannot be as it was at first, or nothing."""
    found = None if "back and forth" in prompt.lower() else _ONE_WAY.search(prompt)
    return found.group() if found else ""
