"""Fixtures of the template's tests."""

from __future__ import annotations

import pytest

from tests.template import stack


@pytest.fixture
def template() -> stack.Document:
    return stack.template()


@pytest.fixture
def workflow() -> stack.Document:
    return stack.workflow()
