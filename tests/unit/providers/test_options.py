"""What an operator can set, and getting an adapter by name."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any, get_args

import pytest
from luma_agents.types import GenerationFailureCode
from pydantic import ValidationError

from dropreel.errors import SettingsError
from dropreel.providers import luma
from dropreel.providers.catalog import CATALOG
from dropreel.providers.client import new_client
from dropreel.providers.config import build, read_options
from tests.conftest import ROOT
from tests.support.providers import CLIPS, Keys, adapter, says

NO_OPTIONS: dict[str, dict[str, str]] = {name: {} for name in CATALOG}
PAGE = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")


def sent(name: str, clip: str = "5s", **options: Any) -> dict[str, object]:
    provider, script = adapter(name, [says(200, {})], **options)
    provider.submit(CLIPS[clip])
    body: dict[str, object] = json.loads(script.seen[0].content)
    return body


@pytest.mark.parametrize("name", CATALOG)
def test_the_catalog_leads_to_an_adapter_of_that_name(name: str) -> None:
    assert adapter(name, [])[0].name == name


@pytest.mark.parametrize("name", CATALOG)
def test_options_that_are_not_given_are_those_of_the_published_contract(name: str) -> None:
    assert read_options({name: {}})[name].model_dump()["base_url"].startswith("https://")
    with pytest.raises(ValidationError, match="base_ulr"):
        read_options({name: {"base_ulr": "https://a.example"}})


def test_a_name_that_is_not_in_the_catalog_is_an_error_of_the_settings() -> None:
    with pytest.raises(SettingsError, match="no provider 'runway'; there are eachlabs, oxen"):
        build("runway", {}, Keys(), new_client())


def test_the_page_lists_every_option() -> None:
    listed: dict[str, set[str]] = {}
    provider = ""
    for named, option in re.findall(r"^\| ([`\w]*) ?\| `(\w+)` \|", PAGE, re.MULTILINE):
        provider = named.strip("`") or provider
        listed.setdefault(provider, set()).add(option)
    every = listed.pop("all")
    models = {name: type(options) for name, options in read_options(NO_OPTIONS).items()}
    assert {name: every | own for name, own in listed.items()} == {
        name: set(model.model_fields) for name, model in models.items()
    }


def test_the_page_lists_the_limits_of_the_catalog() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d*) ?\|", PAGE, re.MULTILINE)
    shown = {name: (int(jobs), int(orders) if orders else None) for name, jobs, orders in rows}
    limits = {name: row.limit for name, row in CATALOG.items()}
    assert shown == {name: (own.jobs, own.orders_per_minute) for name, own in limits.items()}


def loaded_by(program: str) -> list[str]:
    """The modules that a process has loaded after this program."""
    shown = subprocess.run(  # noqa: S603  our own program, in a process with no modules loaded
        [sys.executable, "-c", f"{program}\nimport sys\nprint(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": "shared"},
    )
    return shown.stdout.split()


def adapters_in(modules: list[str]) -> set[str]:
    return {name for name in CATALOG if f"dropreel.providers.{name}" in modules}


@pytest.mark.parametrize("name", CATALOG)
def test_only_the_adapter_that_is_used_is_loaded(name: str) -> None:
    program = f"from dropreel.providers.config import build\nbuild({name!r}, {{}}, None, None)"
    assert adapters_in(loaded_by(program)) == {name}


def test_only_the_adapters_whose_options_are_set_are_loaded() -> None:
    program = "from dropreel.providers.config import read_options\nread_options({})"
    modules = loaded_by(program)
    assert adapters_in(modules) == set()
    assert "httpx" not in modules
    assert adapters_in(loaded_by(program.replace("{}", "{'fal': {}}"))) == {"fal"}


def test_the_failure_codes_of_luma_are_those_of_its_own_client() -> None:
    assert set(luma.FAILURE_CODES) == set(get_args(GenerationFailureCode))


def test_input_names_of_eachlabs_can_be_mapped_and_left_out() -> None:
    fields = {"image_url": "start_image_url", "resolution": ""}
    body = sent("eachlabs", fields=fields)
    assert body["input"] == {
        "prompt": CLIPS["5s"].prompt,
        "start_image_url": CLIPS["5s"].image_url,
        "aspect_ratio": "16:9",
        "duration": "5s",
    }


def test_durations_of_eachlabs_can_go_in_seconds() -> None:
    body = sent("eachlabs", "10s", duration_as_seconds=True)
    assert isinstance(body["input"], dict)
    assert body["input"]["duration"] == 10


def test_model_and_version_of_eachlabs_can_be_set() -> None:
    body = sent("eachlabs", model="ray-next", version="1.0.0")
    assert (body["model"], body["version"]) == ("ray-next", "1.0.0")


def test_models_of_oxen_and_luma_can_be_set() -> None:
    assert sent("oxen", model="ray-next")["model"] == "ray-next"
    assert sent("luma", model="ray-next")["model"] == "ray-next"


def test_an_endpoint_of_fal_is_shortened_only_after_the_submit() -> None:
    provider, script = adapter("fal", [says(200, {})] * 3, endpoint="/own/app/v1/image-to-video/")
    provider.submit(CLIPS["5s"])
    provider.status("job-1")
    provider.cancel("job-1")
    assert [r.url.path for r in script.seen] == [
        "/own/app/v1/image-to-video",
        "/own/app/requests/job-1/status",
        "/own/app/requests/job-1/cancel",
    ]


def test_the_life_of_results_at_fal_can_be_left_to_fal() -> None:
    provider, script = adapter("fal", [says(200, {})], result_lifetime_s=None)
    provider.submit(CLIPS["5s"])
    assert "X-Fal-Object-Lifecycle-Preference" not in script.seen[0].headers
