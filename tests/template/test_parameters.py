"""What the console asks for, and what it shows at the end."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from cli.stack import variable
from dropreel.providers.catalog import CATALOG
from local.environment import PARAMETERS
from tests.support.stack import GONE, Document, Rule, names_in, spoilt
from tests.support.stack import template as load

# The parameters that list providers, in a pattern and in words.
PROVIDER_LISTS = ("Providers", "FailoverProviders")


def not_as_in_the_catalog(template: Document) -> list[str]:
    """Where the template names other providers than the catalog: too many, or too few.

    The secret's text may lack providers: test_updates.py says why it cannot change.
    """
    secret = template["Resources"]["ProviderKeysSecret"]["Properties"]["SecretString"]
    named = {"ProviderKeysSecret": set(json.loads(secret)) | set(CATALOG)}
    for parameter in PROVIDER_LISTS:
        part = template["Parameters"][parameter]
        groups = re.findall(r"\(([\w|]+)\)", part["AllowedPattern"])  # the first, and the rest
        named[f"{parameter} pattern"] = set(groups[0].split("|")) if len({*groups}) == 1 else set()
        listed = part["ConstraintDescription"].rpartition(" list of ")[2]
        named[f"{parameter} constraint"] = set(listed.split(", "))
    described = template["Parameters"]["Providers"]["Description"]
    wrong = [place for place, names in named.items() if names != set(CATALOG)]
    return wrong + [f"no {name} in the description" for name in CATALOG if name not in described]


def undescribed(template: Document) -> list[str]:
    parts = {**template["Parameters"], **template["Outputs"]}
    return [name for name, part in parts.items() if len(part.get("Description", "")) < 8]


def unbounded(template: Document) -> list[str]:
    return [name for name, part in template["Parameters"].items() if not _bounded(part)]


def _bounded(parameter: Document) -> bool:
    if parameter["Type"] == "Number":
        return "AllowedValues" in parameter or {"MinValue", "MaxValue"} <= set(parameter)
    explained = {"AllowedPattern", "ConstraintDescription"} <= set(parameter)
    return "AllowedValues" in parameter or explained


def refusing_their_own_default(template: Document) -> list[str]:
    return [
        name
        for name, part in template["Parameters"].items()
        if not _allows(part, part.get("Default"))
    ]


def _allows(parameter: Document, value: Any) -> bool:
    if value is None:
        return False
    if "AllowedValues" in parameter:
        return value in parameter["AllowedValues"]
    if parameter["Type"] == "Number":
        return bool(parameter["MinValue"] <= float(value) <= parameter["MaxValue"])
    return re.search(parameter["AllowedPattern"], str(value)) is not None


def missing_in_the_form(template: Document) -> list[str]:
    """Parameters that are not in exactly one group or have no label, and the reverse."""
    form = template["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in form["ParameterGroups"] for name in group["Parameters"]]
    labelled = [name for name, label in form["ParameterLabels"].items() if label["default"]]
    asked = sorted(template["Parameters"])
    wrong = [name for name in asked if grouped.count(name) != 1 or name not in labelled]
    wrong += sorted((set(grouped) | set(labelled)) - set(asked))
    return wrong + [str(g) for g in form["ParameterGroups"] if not g["Label"]["default"]]


def unused(template: Document) -> list[str]:
    places = [template[name] for name in ("Globals", "Resources", "Conditions")]
    return sorted(set(template["Parameters"]) - set(names_in(places)))


FORM = ("Metadata", "AWS::CloudFormation::Interface")
SPOILT: list[tuple[Rule, tuple[str | int, ...], Any]] = [
    (undescribed, ("Parameters", "Providers", "Description"), GONE),
    (undescribed, ("Outputs", "InboxBucketUrl", "Description"), ""),
    (unbounded, ("Parameters", "SourceDays", "MaxValue"), GONE),
    (unbounded, ("Parameters", "ResultsEmail", "AllowedPattern"), GONE),
    (unbounded, ("Parameters", "ResultsEmail", "ConstraintDescription"), GONE),
    (unbounded, ("Parameters", "Another"), {"Type": "String"}),
    (refusing_their_own_default, ("Parameters", "SourceDays", "Default"), 0),
    (refusing_their_own_default, ("Parameters", "Providers", "Default"), "pika"),
    (refusing_their_own_default, ("Parameters", "LogRetentionDays", "Default"), 2),
    (missing_in_the_form, (*FORM, "ParameterGroups", 0), GONE),
    (missing_in_the_form, (*FORM, "ParameterLabels", "Providers"), GONE),
    (missing_in_the_form, ("Parameters", "Providers"), GONE),
    (missing_in_the_form, (*FORM, "ParameterGroups", 0, "Label", "default"), ""),
    (unused, ("Parameters", "Another"), {"Type": "String"}),
    (not_as_in_the_catalog, ("Parameters", "Providers", "AllowedPattern"), "^(fal|luma)$"),
    (not_as_in_the_catalog, ("Parameters", "FailoverProviders", "AllowedPattern"), "^.*$"),
    (not_as_in_the_catalog, ("Parameters", "Providers", "Description"), "luma, fal, eachlabs"),
    (
        not_as_in_the_catalog,
        ("Parameters", "FailoverProviders", "ConstraintDescription"),
        "must be empty or a comma separated list of luma, fal, eachlabs, oxen, pika",
    ),
    (
        not_as_in_the_catalog,
        ("Resources", "ProviderKeysSecret", "Properties", "SecretString"),
        '{"luma": "", "pika": ""}',
    ),
]


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, *_ in SPOILT))
def test_the_form_is_complete(template: Document, rule: Rule) -> None:
    assert rule(template) == []


@pytest.mark.parametrize(("rule", "path", "to"), SPOILT)
def test_a_gap_in_the_form_is_noticed(rule: Rule, path: tuple[str | int, ...], to: Any) -> None:
    assert rule(spoilt(load(), *path, to=to)) != []


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("ResultsEmail", ["", "ann@example.com"], ["ann", "a b@example.com", "a@b@c.de"]),
        ("OperatorEmail", ["", "ops@example.com"], ["@example.com", "x@example"]),
        ("Providers", ["luma", "fal,oxen"], ["", "luma,", "luma, fal", "Luma", "pika"]),
        ("ProviderOptions", ["{}", '{"fal": {}}'], ["", "[]", "fal"]),
        ("TrustedResultOrigins", ["", "http://127.0.0.1:1,https://a"], ["a", "http://a/b", "*"]),
        ("PermissionsBoundary", ["", "arn:aws-cn:iam::111122223333:policy/x"], ["x", "arn:aws:x"]),
    ],
)
def test_a_pattern_takes_what_is_right_and_nothing_else(
    template: Document, name: str, good: list[str], bad: list[str]
) -> None:
    parameter = template["Parameters"][name]
    assert [value for value in good if not _allows(parameter, value)] == []
    assert [value for value in bad if _allows(parameter, value)] == []


@pytest.mark.parametrize("name", PROVIDER_LISTS)
def test_all_providers_of_the_catalog_can_be_chosen(template: Document, name: str) -> None:
    assert _allows(template["Parameters"][name], ",".join(CATALOG))
    assert [one for one in CATALOG if not _allows(template["Parameters"][name], one)] == []


def test_the_stack_has_parameters_and_outputs(template: Document) -> None:
    assert len(template["Parameters"]) >= 10
    assert {"InboxBucketName", "ClipsBucketName", "RenderStateMachineUrl"} <= set(
        template["Outputs"]
    )


def test_what_runs_outside_of_a_stack_has_the_templates_defaults(template: Document) -> None:
    parameters = template["Parameters"]
    defaults = {variable(name): str(one.get("Default", "")) for name, one in parameters.items()}
    assert {name: defaults.get(name) for name in PARAMETERS} == PARAMETERS
