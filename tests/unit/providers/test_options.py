"""What an operator can set, and getting an adapter by name."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, get_args

import pytest
from luma_agents.types import GenerationFailureCode

from dropreel.errors import SettingsError
from dropreel.providers import luma, registry
from dropreel.providers.client import new_client
from dropreel.providers.config import ProviderOptions
from tests.unit.providers.support import CLIPS, Keys, adapter, says


def sent(name: str, clip: str = "5s", **options: Any) -> dict[str, object]:
    provider, script = adapter(name, [says(200, {})], **options)
    provider.submit(CLIPS[clip])
    body: dict[str, object] = json.loads(script.seen[0].content)
    return body


def test_every_provider_has_options_and_an_adapter_of_its_name() -> None:
    assert set(registry.NAMES) == set(ProviderOptions.model_fields)
    for name in registry.NAMES:
        assert adapter(name, [])[0].name == name


def test_an_unknown_name_is_a_fault_of_the_settings() -> None:
    with pytest.raises(SettingsError, match="no provider 'runway'; there are eachlabs, oxen"):
        registry.build("runway", ProviderOptions(), Keys(), new_client())


@pytest.mark.parametrize("name", registry.NAMES)
def test_only_the_adapter_that_is_used_is_loaded(name: str) -> None:
    program = (
        "import sys, httpx\n"
        "from types import SimpleNamespace as N\n"
        "from dropreel.providers.registry import build\n"
        "o = N(base_url='', model='', auth='bearer', endpoint='a/b', api_base_url='')\n"
        f"build({name!r}, N(**{{{name!r}: o}}), None, None)\n"
        "print([m.rsplit('.', 1)[1] for m in sys.modules if m.startswith('dropreel.providers.')])\n"
        "print('pydantic' in sys.modules)\n"
    )
    shown = subprocess.run(  # noqa: S603  our own program, in a process with no modules loaded
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": "shared"},
    ).stdout.splitlines()
    assert {m for m in registry.NAMES if f"'{m}'" in shown[0]} == {name}
    assert shown[1] == "False"


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
