"""Checks the template that is deployed with cfn-lint and checkov, each exception with its reason.

`make audit` installs checkov in an environment of its own on its first run, as it is large.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from local import plain_template
from local.embedded_aws import ROOT

CHECKOV = ROOT / ".venv-checkov" / "bin" / "checkov"
_MANAGED = "encrypted with AWS's own keys; a key of one's own costs $1 a month and may lock data"
# Rules that the template does not follow, and why.
SUPPRESSED = {
    "CKV_AWS_18": "Access logs of buckets: CloudTrail data events can be switched on where wanted.",
    "CKV_AWS_21": "Versions of the inbox: what counts is pinned in the clips bucket, versioned.",
    "CKV_AWS_26": "Topics: mails leave AWS anyway, and alarms cannot publish to AWS's own key.",
    "CKV_AWS_27": f"Queues: {_MANAGED}.",
    "CKV_AWS_119": f"Table: {_MANAGED}.",
    "CKV_AWS_149": f"Secret: {_MANAGED}.",
    "CKV_AWS_158": f"Logs: {_MANAGED}; they hold no prompts, keys or addresses.",
    "CKV_AWS_173": f"Variables: {_MANAGED}; they hold names and limits, no secrets.",
    "CKV_AWS_115": "Reserved concurrency: it would take from the account what new ones lack.",
    "CKV_AWS_116": "Dead letters of functions: queue, rules, schedule and workflow have their own.",
    "CKV_AWS_117": "A VPC: the functions call public APIs and AWS only; a NAT costs $32 a month.",
}


def failed(template: Path) -> dict[str, list[str]]:
    """The resources that break a rule, by rule. Raises RuntimeError if checkov does not run."""
    options = ["--framework", "cloudformation", "--compact", "--quiet", "--skip-download"]
    done = subprocess.run(
        [str(CHECKOV), "--file", str(template), *options, "--output", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        report: dict[str, Any] = json.loads(done.stdout)
        summary = report["summary"]
    except (ValueError, KeyError):
        raise RuntimeError(f"checkov failed:\n{done.stdout}{done.stderr}") from None
    if summary["parsing_errors"] or not summary["passed"]:
        raise RuntimeError(f"checkov could not read the template: {summary}")
    found: dict[str, list[str]] = defaultdict(list)
    for one in report["results"]["failed_checks"]:
        found[f"{one['check_id']}: {one['check_name']}"].append(one["resource"])
    return found


def complaints(found: dict[str, list[str]]) -> list[str]:
    """Broken rules without a reason, and reasons without a broken rule."""
    broken = {rule.partition(":")[0]: f"{rule}: {names}" for rule, names in found.items()}
    without = [text for rule, text in broken.items() if rule not in SUPPRESSED]
    return without + [f"{rule} is followed now" for rule in SUPPRESSED if rule not in broken]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "template.json"
        plain_template.write(template)
        subprocess.run([str(Path(sys.executable).parent / "cfn-lint"), str(template)], check=True)
        found = failed(template)
    wrong = complaints(found)
    exceptions = sum(map(len, found.values()))
    print(
        f"checkov: {len(SUPPRESSED)} suppressions for {exceptions} resources, {len(wrong)} problems"
    )
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
