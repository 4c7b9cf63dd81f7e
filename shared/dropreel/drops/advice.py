"""Advice before paying: what in an image or a sidecar often makes a clip worse than it could be.

Advice never keeps a clip from being ordered. It is one table of rules, `RULES`, each a function
of the facts alone. Wrong advice is worse than none: every rule is silent where it is in doubt.
Sources of the reasons: the model's pages at each::labs and Oxen, read in November 2026;
docs/prompting.md quotes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dropreel.drops import motion
from dropreel.drops.selection import ratio_value
from dropreel.providers.catalog import CATALOG

_ENLARGED = 1.5  # times; less is hardly seen
_CROPPED = 0.12  # of the picture; 3:2 photos in 16:9 lose 0.16, 4:3 in 3:2 lose 0.11
_LONG_PROMPT = 700  # characters; the examples of the model's pages have about a hundred
# Bytes of a pixel below which compression shows in photos. Drawings need far fewer, and are not
# told from photos: so these are low.
_STARVED = {"image/jpeg": 0.05, "image/webp": 0.02}


@dataclass(frozen=True, slots=True)
class Facts:
    """All that advice depends on. `width` and `height` are pixels, `size` is in bytes."""

    width: int
    height: int
    size: int
    media_type: str
    transparent: bool
    prompt: str
    aspect_ratio: str
    resolution: str
    duration: str
    loop: bool
    provider: str
    providers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """What one rule says of one drop, in words for the person who dropped it."""

    rule: str
    reason: str
    change: str

    def __str__(self) -> str:
        return f"{self.reason} {self.change}"


@dataclass(frozen=True, slots=True)
class Rule:
    """`check` returns the advice's reason and change, or None. `example`: when it speaks."""

    name: str
    example: str
    check: Callable[[Facts], tuple[str, str] | None]


def advise(facts: Facts) -> tuple[Advice, ...]:
    """The advice on a drop, in the order of the table. Raises nothing."""
    found = ((rule.name, rule.check(facts)) for rule in RULES)
    return tuple(Advice(name, *said) for name, said in found if said)


def _small_image(facts: Facts) -> tuple[str, str] | None:
    wanted = int(facts.resolution.removesuffix("p"))
    kept_width, kept_height = _kept(facts)
    if wanted <= _ENLARGED * min(kept_width, kept_height):
        return None
    reason = (
        f"The image has {facts.width} x {facts.height} pixels, which is small for a clip of "
        f"{facts.resolution}: details may look soft."
    )
    smaller = [p for p in (540, 720) if p < wanted and p < _ENLARGED * min(kept_width, kept_height)]
    lower = f' or set "resolution": "{smaller[-1]}p"' if smaller else ""
    return reason, f"Use a larger image{lower}."


def _compressed(facts: Facts) -> tuple[str, str] | None:
    if facts.size >= _STARVED.get(facts.media_type, 0) * facts.width * facts.height:
        return None
    reason = "The image is heavily compressed. Motion makes such artifacts easier to see."
    return reason, "Export it again with a higher quality."


def _cropped(facts: Facts) -> tuple[str, str] | None:
    lost = _lost(facts, facts.aspect_ratio)
    if lost < _CROPPED:
        return None
    side = "sides" if _shape(facts) > ratio_value(facts.aspect_ratio) else "top and bottom"
    reason = (
        f"The image is {facts.width} x {facts.height}, the clip {facts.aspect_ratio}: "
        f"about {lost:.0%} of the picture does not fit, at the {side}."
    )
    return reason, _better_ratio(facts, lost) or "Crop the image yourself to choose what is kept."


def _better_ratio(facts: Facts, lost: float) -> str:
    """A ratio that keeps clearly more: of the same provider, or of another one in the stack."""
    for name in dict.fromkeys((facts.provider, *facts.providers)):
        able = CATALOG[name].capability
        ratios = [ratio for ratio in able.ratios if ratio not in able.unconfirmed]
        best = min(ratios, key=lambda ratio: _lost(facts, ratio))
        if _lost(facts, best) < 0.6 * lost:
            at = "" if name == facts.provider else f' and "provider": "{name}"'
            return f'To keep it, set "aspect_ratio": "{best}"{at}.'
    return ""


def _transparent(facts: Facts) -> tuple[str, str] | None:
    if not facts.transparent:
        return None
    reason = "The image can have transparent parts. In a clip they become black or white."
    return reason, "If it has some, put it on the background that you want."


def _only_objects(facts: Facts) -> tuple[str, str] | None:
    if not _names_no_motion(facts.prompt) or motion.MOOD.search(facts.prompt):
        return None
    reason = "The prompt names things, but neither motion nor mood. The model sees the things."
    return reason, 'Say what moves and how it feels, such as "slow push-in, curtains swaying".'


def _no_motion(facts: Facts) -> tuple[str, str] | None:
    if not _names_no_motion(facts.prompt) or not motion.MOOD.search(facts.prompt):
        return None
    reason = "The prompt names no motion and no camera move, so the clip may hardly move."
    return reason, 'Add one, such as "slow dolly forward" or "orbiting camera".'


def _names_no_motion(prompt: str) -> bool:
    """As far as is known: of prompts in other languages nothing is."""
    return motion.is_english(prompt) and not motion.moves(prompt)


def _opposite_moves(facts: Facts) -> tuple[str, str] | None:
    both = motion.opposites(facts.prompt)
    if not both:
        return None
    return f"The prompt asks for {both[0]} and for {both[1]}.", "Keep one of them."


def _long_prompt(facts: Facts) -> tuple[str, str] | None:
    if len(facts.prompt) <= _LONG_PROMPT:
        return None
    reason = (
        f"The prompt has {len(facts.prompt):,} characters. Many ideas at once make the motion "
        "unstable."
    )
    return reason, "Keep what moves, how the camera moves, and the mood."


def _fast_action(facts: Facts) -> tuple[str, str] | None:
    found = motion.FAST.search(facts.prompt)
    if not found:
        return None
    reason = f'The model is weak at fast or complex action, and the prompt says "{found.group()}".'
    return reason, "Camera moves, wind, water, light and small gestures work best."


def _many_parts(facts: Facts) -> tuple[str, str] | None:
    found = motion.MANY_PARTS.search(facts.prompt)
    if not found:
        return None
    reason = f'Many moving parts ("{found.group()}") may warp or flicker.'
    shorter = ' or set "duration": "5s"' if facts.duration == "10s" else ""
    return reason, f"Let one thing move{shorter}."


def _largest_and_longest(facts: Facts) -> tuple[str, str] | None:
    if (facts.resolution, facts.duration) != ("1080p", "10s"):
        return None
    reason = "1080p with 10 seconds takes longest and costs most, and often looks no better."
    return reason, 'Try the prompt with "resolution": "540p" first.'


def _loop_not_set(facts: Facts) -> tuple[str, str] | None:
    if facts.loop or not motion.wishes_loop(facts.prompt):
        return None
    shorter = ' and "duration": "5s"' if facts.duration == "10s" else ""
    return "The prompt asks for a loop, but the setting is off.", f'Set "loop": true{shorter}.'


def _loop_one_way(facts: Facts) -> tuple[str, str] | None:
    move = motion.goes_one_way(facts.prompt) if facts.loop else ""
    if not move:
        return None
    reason = f'A loop has to end where it began, and "{move}" goes one way. The seam may show.'
    return reason, "Use motion that repeats, such as drifting clouds or a full orbit."


def _shape(facts: Facts) -> float:
    return facts.width / facts.height


def _lost(facts: Facts, ratio: str) -> float:
    """The share of the picture that a clip of this ratio has no room for."""
    factor = _shape(facts) / ratio_value(ratio)
    return 1 - min(factor, 1 / factor)


def _kept(facts: Facts) -> tuple[float, float]:
    """Width and height, in pixels, of what remains of the image in the clip."""
    clip = ratio_value(facts.aspect_ratio)
    return min(facts.width, facts.height * clip), min(facts.height, facts.width / clip)


RULES: tuple[Rule, ...] = (
    Rule("small image", "640 x 360 pixels for 1080p", _small_image),
    Rule("compressed image", "a photo of 12 megapixels in 300 KB", _compressed),
    Rule("cropped image", "a panorama for 16:9", _cropped),
    Rule("transparent image", "a cut-out product as PNG", _transparent),
    Rule("only objects", "a red car and a house", _only_objects),
    Rule("no motion", "the harbour in warm light", _no_motion),
    Rule("opposite moves", "push-in on the face, camera pulling back", _opposite_moves),
    Rule("long prompt", "a story of several scenes", _long_prompt),
    Rule("fast action", "a sword fight with backflips", _fast_action),
    Rule("many moving parts", "hundreds of birds over a busy market", _many_parts),
    Rule("largest and longest", "1080p and 10s", _largest_and_longest),
    Rule("loop not set", "loopable motion, without loop: true", _loop_not_set),
    Rule("loop that goes one way", "slow push-in, with loop: true", _loop_one_way),
)
