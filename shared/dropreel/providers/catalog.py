"""The providers, one row each: all that the rest of the code knows about a single provider.

Its prices are in `money/prices.json`; docs/adding-a-provider.md lists what else belongs to one.
Sources: the providers' model and API pages, 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from dropreel.errors import SettingsError
from dropreel.jobs.options import AspectRatio, Duration, Resolution

_ALL_RATIOS = get_args(AspectRatio)
_CORE_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9")
_WIDER_RATIOS = frozenset(_ALL_RATIOS) - frozenset(_CORE_RATIOS)


@dataclass(frozen=True, slots=True)
class Capability:
    """What a provider can make from one start image; checked before any money moves.

    `unconfirmed` names values that its documents promise only in part or contradict: they are
    tried, and the record of the clip says so.
    """

    ratios: tuple[str, ...] = _CORE_RATIOS
    resolutions: tuple[str, ...] = get_args(Resolution)
    durations: tuple[str, ...] = get_args(Duration)
    references: bool = False
    unconfirmed: frozenset[str] = frozenset()


class Limit(BaseModel):
    """How many jobs a provider takes at once, and how many orders in a minute (None: not stated).

    fal queues what is too much; elsewhere it is refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    jobs: Annotated[int, Field(ge=1, le=500)] = 10
    orders_per_minute: Annotated[int, Field(ge=1, le=600)] | None = None


USUAL_LIMIT = Limit()


@dataclass(frozen=True, slots=True)
class Profile:
    """How long jobs are expected to take before any was measured.

    Half of the jobs take less than `usual_s`, 19 of 20 less than `spread` times that. `pace_s`:
    the least number of seconds between two status calls.
    """

    usual_s: float
    spread: float
    pace_s: int


@dataclass(frozen=True, slots=True)
class Row:
    """One provider. `adapter` is `module:class`, imported when the provider is first used.

    `lists_orders`: it has a list of past orders, in which a lost order may be found.
    """

    adapter: str
    profile: Profile
    lists_orders: bool
    limit: Limit = USUAL_LIMIT
    capability: Capability = Capability()


CATALOG: dict[str, Row] = {
    "eachlabs": Row(
        adapter="dropreel.providers.eachlabs:Eachlabs",
        profile=Profile(usual_s=60, spread=2.0, pace_s=2),
        lists_orders=True,
        capability=Capability(
            references=True, unconfirmed=frozenset({"10s", "loop", "reference_image_urls"})
        ),
    ),
    "oxen": Row(
        adapter="dropreel.providers.oxen:Oxen",
        profile=Profile(usual_s=520, spread=1.8, pace_s=10),
        lists_orders=True,
        capability=Capability(
            ratios=_ALL_RATIOS,
            references=True,
            unconfirmed=_WIDER_RATIOS | {"10s", "reference_image_urls"},
        ),
    ),
    "fal": Row(
        adapter="dropreel.providers.fal:Fal",
        profile=Profile(usual_s=75, spread=2.0, pace_s=5),
        lists_orders=True,
    ),
    "luma": Row(
        adapter="dropreel.providers.luma:Luma",
        profile=Profile(usual_s=75, spread=2.0, pace_s=5),
        lists_orders=False,
        limit=Limit(orders_per_minute=30),
    ),
}


def row_of(provider: str) -> Row:
    """The row of a provider. Raises SettingsError for a name that is not in the catalog."""
    if provider not in CATALOG:
        raise SettingsError(f"no provider {provider!r}; there are {', '.join(CATALOG)}")
    return CATALOG[provider]


def limit_of(provider: str, overrides: Mapping[str, Limit]) -> Limit:
    """The operator's limit for a provider, or else the one of the catalog."""
    return overrides.get(provider) or CATALOG[provider].limit


def _in_catalog(name: str) -> str:
    if name not in CATALOG:
        raise ValueError("not a provider of the catalog")
    return name


# A field of a pydantic model that holds the name of a provider.
ProviderName = Annotated[
    str,
    AfterValidator(_in_catalog),
    WithJsonSchema({"enum": list(CATALOG), "type": "string"}),
]
