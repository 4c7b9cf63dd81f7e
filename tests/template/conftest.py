"""Fixtures of the template's tests."""

from __future__ import annotations

import pytest

from tests.support import stack


@pytest.fixture
def template() -> stack.Document:
    return stack.template()


@pytest.fixture
def workflow() -> stack.Document:
    return stack.workflow()
