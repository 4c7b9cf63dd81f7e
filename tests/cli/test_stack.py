"""The stack is found, and its outputs and parameters become the settings of the functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from cli import stack
from cli.app import main
from cli.errors import NoStackError
from cli.stack import Target, connect, variable
from dropreel.settings import Settings
from tests.support.stack import functions, template, variables

OUTPUTS = {output: f"the {output}" for output in stack._FROM_OUTPUTS.values()}


def test_every_variable_of_the_functions_is_known_from_the_stack() -> None:
    known = {variable(parameter) for parameter in template()["Parameters"]}
    known |= {*stack._FROM_OUTPUTS, *stack._OF_PAGES}
    own = {"THUMBNAIL_FUNCTION", "RESULTS_EMAIL_GIVEN", "OPERATOR_EMAIL_GIVEN"}  # no step here
    own |= {"IMAGE_READER_ROLE_ARN"}  # the command orders nothing
    named = {name for one in functions(template()) for name in variables(template(), one)}
    assert {name for name in named - known - own if not name.startswith("POWERTOOLS_")} == set()


def described(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    class Cloud:
        def describe_stacks(self, **_: str) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return {"Stacks": [answer]}

    monkeypatch.setattr(stack.AwsSession, "client", lambda *_: Cloud())


def rows(kind: str, values: dict[str, str]) -> list[dict[str, str]]:
    return [{f"{kind}Key": name, f"{kind}Value": value} for name, value in values.items()]


def test_parameters_and_outputs_become_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = rows("Parameter", {"DailyCapUsd": "25", "PagesUrl": ""})
    outputs = rows("Output", {**OUTPUTS, "PagesUrl": "https://pages"})
    described(monkeypatch, {"Outputs": outputs, "Parameters": parameters})
    found = connect(Target("clips", region="eu-central-1"))
    assert (found.region, found.outputs["InboxBucketName"]) == (
        "eu-central-1",
        "the InboxBucketName",
    )
    chosen = {name: found.environment[name] for name in ("DAILY_CAP_USD", "PAGES_URL")}
    assert chosen == {"DAILY_CAP_USD": "25", "PAGES_URL": "https://pages"}
    assert "AWS_ENDPOINT_URL" not in found.environment

    class Needed(Settings):
        ledger_table: str

    assert found.container().settings(Needed).ledger_table == "the LedgerTableName"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            ClientError({"Error": {"Code": "x", "Message": "clips does not exist"}}, "Describe"),
            "there is no stack clips in eu-central-1: name yours with --stack, or use --local",
        ),
        ({"Outputs": []}, "this is no stack of dropreel: it has no output ClipsBucketName"),
    ],
)
def test_another_stack_or_none_is_told(
    monkeypatch: pytest.MonkeyPatch, answer: Any, told: str
) -> None:
    described(monkeypatch, answer)
    with pytest.raises(NoStackError) as error:
        connect(Target("clips", region="eu-central-1"))
    assert str(error.value) == told


def test_without_make_up_nothing_is_local(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stack, "FACTS", tmp_path / "facts.json")
    assert main(["jobs", "--local"]) == 3
    assert capsys.readouterr().err == "dropreel: nothing is up here: `make up` starts a stack\n"


def test_a_server_of_make_up_that_is_gone_counts_as_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = tmp_path / "facts.json"
    facts.write_text('{"endpoint": "http://127.0.0.1:9"}', encoding="utf-8")
    monkeypatch.setattr(stack, "FACTS", facts)
    gone = EndpointConnectionError(endpoint_url="http://127.0.0.1:9")
    described(monkeypatch, gone)
    assert main(["jobs", "--local"]) == 3
    assert capsys.readouterr().err == "dropreel: nothing is up here: `make up` starts a stack\n"
    assert main(["jobs", "--region", "us-east-1"]) == 3
    assert "AWS could not be asked" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("spend --by", "Option '--by' requires an argument. See `dropreel spend --help`."),
        ("show", "Missing argument 'job'. See `dropreel show --help`."),
        ("retry --days 0", "greater than or equal to 1. See `dropreel retry --help`."),
        ("nope", "No such command 'nope'. Did you mean 'open'? See `dropreel --help`."),
        ("--local", "Missing command. See `dropreel --help`."),
    ],
)
def test_wrong_arguments_are_told_in_one_line_with_the_help_to_read(
    words: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    err = capsys.readouterr().err
    assert err.startswith("dropreel: ")
    assert err.endswith(f"{told}\n")
    assert len(err.splitlines()) == 1


def test_without_arguments_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Usage: dropreel" in capsys.readouterr().out


def test_every_command_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    from cli.app import _COMMANDS

    assert [name for name, one in _COMMANDS.items() if "Example" not in (one.__doc__ or "")] == []
    assert main(["pause", "--help"]) == 0
    assert "dropreel pause" in capsys.readouterr().out
