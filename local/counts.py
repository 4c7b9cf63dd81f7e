"""What `make check` says about security: how much is granted, on what terms, and what was seen.

The end-to-end tests leave what they saw in `out/seen/`, one file for each count.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.audit import SUPPRESSED
from local.embedded_aws import ROOT
from local.plain_template import plain, read

SEEN = ROOT / "out" / "seen"


def statements(made: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All statements of roles, policies for people, and policies of resources."""
    for resource in made["Resources"].values():
        own = resource["Properties"].get("PolicyDocument")
        inline = resource["Properties"].get("Policies", [])
        for document in [*([own] if own else []), *(one["PolicyDocument"] for one in inline)]:
            for statement in document["Statement"]:
                yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def granted(statement: dict[str, Any]) -> int:
    """How many actions on how many resources it allows."""
    if statement["Effect"] != "Allow":
        return 0
    action, resource = statement["Action"], statement.get("Resource", "")
    return _count(action) * _count(resource)


def _count(value: Any) -> int:
    return len(value) if isinstance(value, list) else 1


def note(name: str, text: str) -> None:
    """Keep what a test has counted."""
    SEEN.mkdir(parents=True, exist_ok=True)
    (SEEN / name).write_text(text + "\n", encoding="utf-8")


def seen(name: str, folder: Path = SEEN) -> str:
    file = folder / name
    return file.read_text(encoding="utf-8").strip() if file.exists() else "not counted: make test"


def main() -> None:
    found = list(statements(plain(read())))
    conditions = sum(1 for statement in found if statement.get("Condition"))
    total = sum(map(granted, found))
    print(f"grants: {total} in {len(found)} statements, {conditions} of them with conditions")
    print(f"calls: {seen('grants')}")
    print(f"canaries: {seen('canaries')}")
    print(f"checkov: {len(SUPPRESSED)} suppressions, each with its reason (make audit)")


if __name__ == "__main__":
    main()
