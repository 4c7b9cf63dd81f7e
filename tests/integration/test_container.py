"""The container: every function has its step, built once, from settings that must be there."""

from __future__ import annotations

from typing import Any, cast

import boto3
import pytest

from dropreel.container import Container, Session, container
from dropreel.errors import SettingsError
from dropreel.steps.finalize import Finalize
from dropreel.steps.generate import Generate
from dropreel.steps.poll import Poll
from dropreel.steps.slot import Slot
from dropreel.steps.submit import Submit
from dropreel.steps.sweep import Sweep
from dropreel.steps.thumbnail import Thumbnail
from dropreel.steps.view import View
from dropreel.steps.widget import Widget
from tests.conftest import ROOT
from tests.support.functions import Functions

STEPS = (Submit, Slot, Generate, Poll, Finalize, Sweep, Thumbnail, Widget, View)


@pytest.mark.usefixtures("service_models_read_once")
@pytest.mark.parametrize("step", STEPS)
def test_a_step_without_its_settings_names_the_missing_variables(step: type[Any]) -> None:
    bare = Container({}, cast("Session", boto3.session.Session()))
    with pytest.raises(SettingsError, match=r"missing or wrong environment variables: [A-Z_, ]+"):
        bare.step(step)


def test_every_function_has_its_step() -> None:
    functions = {path.parent.name for path in ROOT.glob("functions/*/handler.py")}
    assert {step.__module__.rpartition(".")[2] for step in STEPS} == functions


def test_a_step_is_built_once_per_container(functions: Functions) -> None:
    assert [container().step(step) for step in STEPS] == [container().step(step) for step in STEPS]
