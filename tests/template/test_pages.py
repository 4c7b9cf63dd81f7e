"""The pages' API: there only with `LinkDays`, limited in rate, and without a token in its log."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.stack import GONE, Document, Rule, names_in, properties, resources, spoilt
from tests.support.stack import template as load

KINDS = ("Api", "Integration", "Route", "Stage")
# What of a request may stand in a log: its address is a right, and so is where it came from.
LOGGED = {
    *("$context.requestId", "$context.requestTime", "$context.identity.sourceIp"),
    *("$context.httpMethod", "$context.status", "$context.responseLength"),
    "$context.responseLatency",
}


def stage(template: Document) -> Document:
    (only,) = properties(template, "AWS::ApiGatewayV2::Stage").values()
    return only


def there_without_links(template: Document) -> list[str]:
    """What only pages need costs money or can be reached: it goes with them."""
    wanted = {"PageKeySecret", "PageKeyPolicy", "PagesPermission", "PagesLogGroup"}
    for kind in KINDS:
        wanted |= set(resources(template, f"AWS::ApiGatewayV2::{kind}"))
    always = [n for n in wanted if template["Resources"][n].get("Condition") != "HasPages"]
    days = {"Fn::Not": [{"Fn::Equals": [{"Ref": "LinkDays"}, 0]}]}
    return always + ([] if template["Conditions"]["HasPages"] == days else ["HasPages"])


def unlimited(template: Document) -> list[str]:
    limits = stage(template).get("DefaultRouteSettings", {})
    rate, burst = limits.get("ThrottlingRateLimit", 0), limits.get("ThrottlingBurstLimit", 0)
    return [] if 0 < rate <= burst <= 100 else [str(limits)]


def telling_tokens(template: Document) -> list[str]:
    written = json.loads(stage(template)["AccessLogSettings"]["Format"])
    return [value for value in written.values() if value not in LOGGED]


def open_to_other_apis(template: Document) -> list[str]:
    permission = template["Resources"]["PagesPermission"]["Properties"]
    only = permission["Principal"] == "apigateway.amazonaws.com"
    source = list(names_in(permission.get("SourceArn", {})))
    function = permission["FunctionName"] == {"Ref": "ViewFunction"}
    return [] if only and function and "PagesApi" in source else [str(permission)]


def answered_by_the_api_itself(template: Document) -> list[str]:
    """Every address comes to the function, so that all that open nothing get the same page."""
    routes = properties(template, "AWS::ApiGatewayV2::Route").values()
    return [r["RouteKey"] for r in routes if r["RouteKey"] != "$default"]


def generated_badly(template: Document) -> list[str]:
    secret = template["Resources"]["PageKeySecret"]["Properties"]
    asked = secret.get("GenerateSecretString", {})
    return [] if asked.get("PasswordLength", 0) >= 43 and "SecretString" not in secret else ["key"]


STAGE = ("Resources", "PagesStage", "Properties")
PERMISSION = ("Resources", "PagesPermission", "Properties")
SPOILT: list[tuple[Rule, tuple[str | int, ...], Any]] = [
    (there_without_links, ("Resources", "PagesApi", "Condition"), GONE),
    (there_without_links, ("Resources", "PageKeySecret", "Condition"), GONE),
    (there_without_links, ("Conditions", "HasPages"), {"Fn::Equals": ["a", "a"]}),
    (unlimited, (*STAGE, "DefaultRouteSettings"), GONE),
    (unlimited, (*STAGE, "DefaultRouteSettings", "ThrottlingBurstLimit"), 5000),
    (telling_tokens, (*STAGE, "AccessLogSettings", "Format"), '{"path": "$context.path"}'),
    (open_to_other_apis, (*PERMISSION, "SourceArn"), GONE),
    (open_to_other_apis, (*PERMISSION, "Principal"), "*"),
    (answered_by_the_api_itself, ("Resources", "PagesRoute", "Properties", "RouteKey"), "GET /"),
    (generated_badly, ("Resources", "PageKeySecret", "Properties", "GenerateSecretString"), {}),
]


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, *_ in SPOILT))
def test_pages_are_served_safely(template: Document, rule: Rule) -> None:
    assert rule(template) == []


@pytest.mark.parametrize(("rule", "path", "to"), SPOILT)
def test_pages_served_unsafely_are_noticed(
    rule: Rule, path: tuple[str | int, ...], to: Any
) -> None:
    assert rule(spoilt(load(), *path, to=to)) != []
