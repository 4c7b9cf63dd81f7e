"""Builds the real template and deploys it into the embedded AWS with the SAM command line."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from samtranslator.yaml_helper import yaml_parse

from dropreel.providers.catalog import CATALOG
from local.embedded_aws import REGION, ROOT, EmbeddedAws
from local.simulators import Simulators

NAME = "dropreel"
BUILDS = ROOT / ".aws-sam" / "local"
# What a build is made of: the stack, and the tools and rules that build it.
INPUTS = (
    *("template.yaml", "samconfig.toml", "functions", "layers", "shared", "statemachine"),
    *("requirements/dev.txt", "requirements/uv.txt", "local/stack.py"),
)
_KEPT_S = 3600
_SAM = {"SAM_CLI_TELEMETRY": "0", "SAM_CLI_POLL_DELAY": "0.1"}  # nothing here is far away
PROVIDERS = tuple(CATALOG)
# The embedded AWS refuses a template with these. They do nothing until somebody clicks on them.
UNKNOWN = ("AWS::Logs::QueryDefinition",)
# The id of the pages' API, which a tag of the embedded AWS sets: their address is known before.
PAGES = "pages"
KEYS = {name: f"{name}-local-key" for name in PROVIDERS}


def build(folder: Path | None = None) -> Path:
    """Build for this host's platform and Python; returns the built template.

    Without a `folder` the build is kept, and made anew only when something that goes into it has
    changed. Processes that want one at the same time make one.
    """
    if folder is not None:
        return _build(folder)
    BUILDS.mkdir(parents=True, exist_ok=True)
    with (BUILDS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = BUILDS / fingerprint()
        if not kept.exists():
            _forget_builds()
            draft = BUILDS / "draft"
            shutil.rmtree(draft, ignore_errors=True)
            _build(draft)
            draft.rename(kept)
        return kept / "template.yaml"


def fingerprint(root: Path = ROOT) -> str:
    """Of everything that goes into a build: sources, tools, and what it is built for."""
    found = hashlib.sha256(json.dumps([sys.version, _target()]).encode())
    for path in sorted(file for name in INPUTS for file in _files(root / name)):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{path.relative_to(root)} {os.access(path, os.X_OK)} {content}\n".encode())
    return found.hexdigest()[:16]


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return [p for p in place.rglob("*") if p.is_file() and "__pycache__" not in p.parts]


def _forget_builds() -> None:
    """All but those of the last hour: somebody may be deploying one."""
    for old in BUILDS.iterdir():
        if old.is_dir() and time.time() - old.stat().st_mtime > _KEPT_S:
            shutil.rmtree(old, ignore_errors=True)


def _target() -> dict[str, str]:
    machine = platform.machine().lower().replace("arm64", "aarch64").replace("amd64", "x86_64")
    system = "apple-darwin" if sys.platform == "darwin" else "manylinux_2_28"
    return {
        "DROPREEL_PLATFORM": f"{machine}-{system}",
        "DROPREEL_PYTHON": f"{sys.version_info.major}.{sys.version_info.minor}",
    }


def _build(folder: Path) -> Path:
    _sam(["build", "--build-dir", str(folder)], _target())
    template = folder / "template.yaml"
    _fit(template, UNKNOWN)
    return template


def _fit(template: Path, unknown: Collection[str]) -> None:
    """Leave out resources of `unknown` kinds, to which nothing may refer; fix the API's id."""
    document = yaml_parse(template.read_text(encoding="utf-8"))
    resources = document["Resources"]
    document["Resources"] = {n: r for n, r in resources.items() if r["Type"] not in unknown}
    resources["PagesApi"]["Properties"]["Tags"]["ms-custom-id"] = PAGES
    template.write_text(json.dumps(document, indent=2), encoding="utf-8")  # YAML, too


def build_layer(folder: Path) -> Path:
    """The layer as `sam build` makes it for AWS, by the same rule and with its defaults."""
    tools = Path(sys.executable).parent
    env = {name: value for name, value in os.environ.items() if not name.startswith("DROPREEL_")}
    command = ["make", "-C", str(ROOT / "shared"), "build-SharedLayer", f"UV={tools / 'uv'}"]
    subprocess.run([*command, f"ARTIFACTS_DIR={folder}"], env=env, check=True, capture_output=True)
    return folder


@dataclass(frozen=True)
class Stack:
    """A deployed stack with the queues that stand for people's mailboxes."""

    aws: EmbeddedAws
    outputs: Mapping[str, str]
    results: str
    operators: str


def launch(
    aws: EmbeddedAws, simulators: Simulators, template: Path, parameters: Mapping[str, str]
) -> Stack:
    """Deploy `template` so that it talks to `simulators`, with working keys and mailboxes."""
    options = {name: {"base_url": address} for name, address in simulators.base_urls().items()}
    options["fal"]["api_base_url"] = f"{simulators.origin}/fal-api"
    defaults = {
        "Providers": ",".join(PROVIDERS),
        "ProviderOptions": json.dumps(options, separators=(",", ":")),
        "PagesUrl": f"{aws.endpoint}/_aws/execute-api/{PAGES}",
        "RequireHttps": "false",
        "TrustedResultOrigins": f"{simulators.origin},http://localhost:{simulators.port}",
    }
    outputs = deploy(aws, template, {**defaults, **parameters})
    put_keys(aws, outputs, KEYS)
    return Stack(
        aws,
        outputs,
        results=mailbox(aws, outputs["ResultsTopicArn"], "results-mailbox"),
        operators=mailbox(aws, outputs["OperatorsTopicArn"], "operators-mailbox"),
    )


def deploy(aws: EmbeddedAws, template: Path, parameters: Mapping[str, str]) -> dict[str, str]:
    """Deploy with `sam deploy` and return the stack's outputs."""
    bucket = f"{NAME}-artifacts"
    aws.client("s3").create_bucket(Bucket=bucket)
    overrides = [f"{name}={json.dumps(value)}" for name, value in parameters.items()]
    command = ["deploy", "--template-file", str(template), "--stack-name", NAME]
    command += ["--s3-bucket", bucket, "--capabilities", "CAPABILITY_IAM", "--region", REGION]
    command += ["--no-confirm-changeset", "--no-progressbar", "--parameter-overrides", *overrides]
    _sam(command, _credentials(aws))
    found = aws.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}


def put_keys(aws: EmbeddedAws, outputs: Mapping[str, str], keys: Mapping[str, str]) -> None:
    aws.client("secretsmanager").put_secret_value(
        SecretId=outputs["ProviderKeysSecretArn"], SecretString=json.dumps(dict(keys))
    )


def mailbox(aws: EmbeddedAws, topic_arn: str, name: str) -> str:
    """A queue that gets what the topic's mail subscribers get; returns its URL."""
    sqs = aws.client("sqs")
    url = str(sqs.create_queue(QueueName=name)["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    aws.client("sns").subscribe(
        TopicArn=topic_arn, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"]
    )
    allow = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn["Attributes"]["QueueArn"],
            }
        ],
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(allow)})
    return url


def _credentials(aws: EmbeddedAws) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
    }


def _sam(arguments: list[str], env: Mapping[str, str]) -> None:
    tools = Path(sys.executable).parent
    path = f"{tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    done = subprocess.run(
        [str(tools / "sam"), *arguments],
        cwd=ROOT,
        env={**os.environ, **env, "PATH": path, **_SAM},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"sam {arguments[0]} failed:\n{done.stdout}\n{done.stderr}")
