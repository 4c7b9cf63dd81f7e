"""`make deploy`, `make set` and `make destroy` on an embedded AWS, with a small stack."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from local import builds, sam
from local.builds import BuildError
from local.deploy import cloud, release, removal
from local.deploy.__main__ import main
from local.embedded_aws import REGION, EmbeddedAws
from tests.support import stack as template
from tests.support.small_stack import HERE, NAME, SMALL, left, statuses

Types = Callable[..., None]


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedAws]:
    with EmbeddedAws() as running:
        yield running


@pytest.fixture(autouse=True)
def _at_the_embedded_aws(monkeypatch: pytest.MonkeyPatch, embedded: EmbeddedAws) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", embedded.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    monkeypatch.setattr(cloud, "POLL_S", 0.1)


@pytest.fixture(scope="module")
def session(embedded: EmbeddedAws) -> Iterator[boto3.session.Session]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", embedded.endpoint)
        found = boto3.session.Session("test", "test", region_name=REGION)
        cloud.client(found)
        yield found


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Types:
    def at_the_keyboard(*lines: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    return at_the_keyboard


@pytest.fixture
def deployed(session: boto3.session.Session) -> Iterator[dict[str, str]]:
    """The small stack; yields the physical IDs of its resources."""
    formation = cloud.client(session)
    formation.create_stack(StackName=NAME, TemplateBody=json.dumps(SMALL))
    assert cloud.wait(session, cloud.must_find(session, NAME)) == "CREATE_COMPLETE"
    parts = cloud.resources(session, cloud.must_find(session, NAME))
    ids = {name: physical for name, (_, physical) in parts.items()}
    yield ids
    removal.stop(session, [ids["RenderStateMachine"]])
    formation.delete_stack(StackName=NAME)


@pytest.fixture
def executions(embedded: EmbeddedAws, deployed: dict[str, str]) -> list[str]:
    """Two clips under way."""
    states = embedded.client("stepfunctions")
    machine = deployed["RenderStateMachine"]
    return [states.start_execution(stateMachineArn=machine)["executionArn"] for _ in range(2)]


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What SAM was to deploy, in place of deploying it."""
    calls: list[dict[str, Any]] = []

    def deploy(
        built: Path, name: str, region: str, given: dict[str, str], *_: object, **__: object
    ) -> None:
        calls.append({"built": built, "stack": name, "region": region, "given": dict(given)})

    monkeypatch.setattr(builds, "build", lambda _target: Path("template.yaml"))
    monkeypatch.setattr(sam, "deploy", deploy)
    return calls


# --- deploy ----------------------------------------------------------------------------------


def test_answers_are_deployed_and_the_rest_keeps_its_values(
    deployed: dict[str, str],
    released: list[dict[str, Any]],
    types: Types,
    capsys: pytest.CaptureFixture[str],
) -> None:
    types("ann@example.com", "", "fal", "")
    assert main([], HERE) == 0
    assert [(call["stack"], call["region"]) for call in released] == [(NAME, REGION)]
    assert released[0]["given"] == {
        "ResultsEmail": "ann@example.com",
        "OperatorEmail": "",
        "Providers": "fal",
        "DailyCapUsd": "25",
    }
    said = capsys.readouterr().out
    assert f"make set PARAM=<name> VALUE=<value> STACK={NAME} REGION={REGION}" in said
    assert "https://dashboard" in said
    assert deployed["InboxBucket"] not in said  # nobody needs the first steps a second time


def test_a_file_of_answers_asks_nothing(
    deployed: dict[str, str], released: list[dict[str, Any]], tmp_path: Path, types: Types
) -> None:
    file = tmp_path / "answers"
    file.write_text("MonthlyCapUsd=99.50\n", encoding="utf-8")
    types()
    assert main([], {**HERE, "PARAMS": str(file)}) == 0
    assert released[0]["given"] == {"MonthlyCapUsd": "99.50"}


@pytest.mark.usefixtures("deployed")
def test_account_region_and_quota_are_told_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch, types: Types, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_target: object) -> Path:
        raise BuildError("pydantic is not in uv's cache")

    monkeypatch.setattr(builds, "build", fail)
    types("", "", "", "")
    assert main([], HERE) == 1
    said = capsys.readouterr()
    assert said.err == "pydantic is not in uv's cache\n"
    first, _, _ = said.out.partition("1 of 4: ")
    assert "AWS account 000000000000, region us-east-1" in first
    assert re.search(r"may run at once in this account and region: \d+$", first, re.MULTILINE)


def test_the_first_deployment_ends_with_the_first_steps(
    session: boto3.session.Session, deployed: dict[str, str]
) -> None:
    said = release.next_steps(cloud.must_find(session, NAME), first=True)
    assert f"s3://{deployed['InboxBucket']}/try/" in said
    assert deployed["ProviderKeysSecret"] in said
    assert "five minutes" in said


def test_a_name_that_cloudformation_would_refuse_is_refused_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([], {**HERE, "STACK": "my_stack"}) == 1
    assert "STACK=my_stack is no name for a stack" in capsys.readouterr().err


def test_a_first_deployment_that_failed_is_removed_first(
    session: boto3.session.Session, types: Types, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": 99999}}
    body = {"Resources": {"InboxBucket": SMALL["Resources"]["InboxBucket"], "Wrong": wrong}}
    cloud.client(session).create_stack(StackName=NAME, TemplateBody=json.dumps(body))
    assert cloud.wait(session, cloud.must_find(session, NAME)) == "ROLLBACK_COMPLETE"
    assert main([], HERE) == 1
    assert f"make destroy STACK={NAME}" in capsys.readouterr().err
    types("yes")
    assert main(["--destroy"], HERE) == 0
    assert "These stay" not in capsys.readouterr().out


# --- set -------------------------------------------------------------------------------------


def test_one_parameter_changes_and_the_others_stay(
    embedded: EmbeddedAws,
    session: boto3.session.Session,
    deployed: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--set"], {**HERE, "PARAM": "DailyCapUsd", "VALUE": "120"}) == 0
    assert cloud.must_find(session, NAME).parameters == {"DailyCapUsd": "120", "JobCapUsd": "5"}
    queue = embedded.client("sqs").get_queue_attributes(
        QueueUrl=deployed["CapQueue"], AttributeNames=["DelaySeconds"]
    )
    assert queue["Attributes"]["DelaySeconds"] == "120"
    assert "DailyCapUsd: 25 becomes 120" in capsys.readouterr().out


@pytest.mark.usefixtures("deployed")
def test_a_value_that_is_set_already_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--set"], {**HERE, "PARAM": "DailyCapUsd", "VALUE": "25"}) == 0
    assert "is 25 already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ({"PARAM": "DailyCapUsd", "VALUE": "much"}, "must be an amount"),
        ({"PARAM": "DailyCap", "VALUE": "5"}, "there is no parameter DailyCap"),
        ({}, "make set PARAM=DailyCapUsd VALUE=50"),
        ({"PARAM": "MonthlyCapUsd", "VALUE": "99"}, "was deployed without MonthlyCapUsd"),
    ],
)
@pytest.mark.usefixtures("deployed")
def test_what_cannot_be_set_is_one_sentence(
    session: boto3.session.Session,
    capsys: pytest.CaptureFixture[str],
    wanted: dict[str, str],
    complaint: str,
) -> None:
    assert main(["--set"], {**HERE, **wanted}) == 1
    assert complaint in capsys.readouterr().err
    assert cloud.must_find(session, NAME).parameters["DailyCapUsd"] == "25"


# --- destroy ---------------------------------------------------------------------------------


def test_without_a_yes_nothing_is_stopped_or_deleted(
    embedded: EmbeddedAws,
    session: boto3.session.Session,
    executions: list[str],
    types: Types,
    capsys: pytest.CaptureFixture[str],
) -> None:
    types("y")
    assert main(["--destroy"], HERE) == 1
    said = capsys.readouterr()
    assert "Clips under way: 2" in said.out
    assert "Nothing was deleted" in said.err
    assert statuses(embedded, executions) == {"RUNNING"}
    assert cloud.find_stack(session, NAME) is not None


def test_executions_are_stopped_and_what_the_stack_retains_stays(
    embedded: EmbeddedAws,
    session: boto3.session.Session,
    deployed: dict[str, str],
    executions: list[str],
    types: Types,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stack = cloud.must_find(session, NAME)
    types("yes", "")
    assert main(["--destroy"], HERE) == 0
    assert cloud.find_stack(session, NAME) is None
    assert removal.running(session, deployed["RenderStateMachine"]) == []
    assert left(embedded, deployed) == set(removal.RETAINED)
    said = capsys.readouterr().out
    assert all(deployed[name] in said for name in removal.RETAINED)
    assert stack.name in said


def test_what_it_retains_goes_too_when_the_stacks_name_is_typed(
    embedded: EmbeddedAws, deployed: dict[str, str], types: Types
) -> None:
    s3 = embedded.client("s3")
    for bucket in ("InboxBucket", "ClipsBucket", "ClipsBucket"):  # a second version of the clip
        s3.put_object(Bucket=deployed[bucket], Key="a/b.mp4", Body=b"...")
    types("yes", NAME)
    assert main(["--destroy"], HERE) == 0
    assert left(embedded, deployed) == set()


def test_another_name_deletes_nothing_more(
    embedded: EmbeddedAws, deployed: dict[str, str], types: Types
) -> None:
    types("yes", "yes")
    assert main(["--destroy"], HERE) == 0
    assert left(embedded, deployed) == set(removal.RETAINED)


@pytest.mark.usefixtures("deployed")
def test_where_nobody_answers_nothing_is_deleted(
    session: boto3.session.Session, types: Types, capsys: pytest.CaptureFixture[str]
) -> None:
    types()
    assert main(["--destroy"], HERE) == 1
    assert capsys.readouterr().err == "Nobody answers, so nothing was done.\n"
    assert cloud.find_stack(session, NAME) is not None


def test_a_stack_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--destroy"], {**HERE, "STACK": "other"}) == 1
    assert capsys.readouterr().err == (
        f"There is no stack other in {REGION}. STACK= and REGION= name others.\n"
    )


def test_it_is_known_why_the_template_retains_what_it_retains() -> None:
    parts = template.template()["Resources"]
    retained = {n for n, part in parts.items() if "Retain" in part.get("DeletionPolicy", "")}
    assert retained == set(removal.RETAINED)
    assert {parts[name]["Type"] for name in retained} <= set(removal.ERASE)
