from __future__ import annotations

import pytest

from dropreel.ledger.self_test import PREFIX, last_self_test
from dropreel.steps.submit import Submit
from tests.support.aws import Aws
from tests.support.pictures import picture
from tests.support.submitting import delayed, put, sidecar


@pytest.mark.parametrize("body", [b"", sidecar(), picture()])
@pytest.mark.parametrize("ending", ["json", "jpg"])
def test_a_self_test_is_noted_and_starts_nothing(
    aws: Aws, submit: Submit, body: bytes, ending: str
) -> None:
    assert last_self_test(aws.table) == ""
    key = f"{PREFIX}7f3a9c.{ending}"
    submit.handle(put(aws, key, body))
    assert last_self_test(aws.table) == key
    assert aws.executions() == delayed(aws) == []
    assert aws.results.take() == aws.operators.take() == []


def test_a_folder_with_a_like_name_is_an_inbox_as_any_other(aws: Aws, submit: Submit) -> None:
    put(aws, "dropreel-self-tests/a.json", sidecar())
    submit.handle(put(aws, "dropreel-self-tests/a.jpg", picture()))
    assert len(aws.executions()) == 1
