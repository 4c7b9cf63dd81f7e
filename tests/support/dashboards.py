"""The dashboard of the template."""

from __future__ import annotations

import json

from tests.support.stack import Document


def dashboard(template: Document) -> Document:
    """The body, with its references left as they are but for the one that is a number."""
    text = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    return dict(json.loads(text.replace('"max": ${DailyCapUsd}', '"max": 25')))
