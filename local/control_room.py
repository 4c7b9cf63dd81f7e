"""What the operator sees, as a picture: first row and widget of the dashboard, with real data.

The numbers are those that the functions have published in their logs, the widget is what its
function answers, and which numbers stand in the first row the deployed dashboard says itself.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from local.embedded_aws import Endpoint
from local.metrics import ChartLine, Series, emitted, lines_of, log_lines

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH = 1280
_TIME_S = 60
_EMPTY = "-"


def browser() -> str | None:
    """A browser that is installed here; none is ever downloaded."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def picture(aws: Endpoint, outputs: Mapping[str, str], target: Path) -> str:
    """Draw the dashboard into `target`. Returns why there is no picture, or nothing."""
    program = browser()
    if program is None:
        return "no chromium here, so no picture of the dashboard"
    with tempfile.TemporaryDirectory(prefix="dropreel-page-") as folder:
        page = Path(folder) / "dashboard.html"
        html = page_of(aws, outputs)
        page.write_text(html, encoding="utf-8")
        height = 260 + 60 * html.count("<tr>")
        shot = [f"--screenshot={target}", f"--window-size={WIDTH},{height}", page.as_uri()]
        return run_browser(program, Path(folder), *shot)[1]


def run_browser(program: str, folder: Path, *arguments: str) -> tuple[str, str]:
    """Run a headless browser once; returns what it printed, and why it failed or nothing."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # it refuses to be root with one
    quiet = ["--disable-gpu", "--hide-scrollbars", "--no-first-run", f"--user-data-dir={folder}"]
    offline = ["--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command = [program, "--headless=new", *sandbox, *quiet, *offline, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIME_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"the browser did not work: {error}"
    return done.stdout, "" if done.returncode == 0 else f"the browser failed: {done.stderr[-300:]}"


def page_of(aws: Endpoint, outputs: Mapping[str, str]) -> str:
    """The page with the data of a deployed stack."""
    shown = aws.client("cloudwatch").get_dashboard(DashboardName=outputs["DashboardName"])
    body = json.loads(shown["DashboardBody"])
    (custom,) = [widget for widget in body["widgets"] if widget["type"] == "custom"]
    answered = aws.client("lambda").invoke(
        FunctionName=custom["properties"]["endpoint"],
        Payload=json.dumps(custom["properties"]["params"]).encode(),
    )
    return page(body, emitted(log_lines(aws)), json.loads(answered["Payload"].read()))


def page(dashboard: Mapping[str, Any], found: Mapping[Series, list[float]], widget: str) -> str:
    """First row and custom widget in the colours of the console."""
    first = [one for one in dashboard["widgets"] if one["type"] == "metric" and one["y"] == 0]
    tiles = "".join(_tile(one["properties"], found) for one in first)
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>dropreel</title>
<style>{_STYLE}</style>
<h1>dropreel</h1><div class="row">{tiles}</div>
<section><h2>Newest clips</h2>{widget}</section></html>"""


def _tile(properties: Mapping[str, Any], found: Mapping[Series, list[float]]) -> str:
    entries = [entry[-1] for entry in properties["metrics"]]
    lines = lines_of({"widgets": [{"type": "metric", "properties": properties}]})
    if "expression" in entries[0]:  # all of them are sums
        shown = [(entries[0]["label"], [value for line in lines for value in _newest(line, found)])]
    else:
        shown = [
            (entry["label"], _values(line, found))
            for entry, line in zip(entries, lines, strict=True)
        ]
    reduce = _reducer(properties)
    numbers = "".join(
        f"<p><b>{_number(reduce(values, entries[index]))}</b> {escape(label)}</p>"
        for index, (label, values) in enumerate(shown)
    )
    return f'<div class="tile"><h2>{escape(properties["title"])}</h2>{numbers}</div>'


def _matching(line: ChartLine, found: Mapping[Series, list[float]]) -> list[list[float]]:
    return [
        values
        for series, values in found.items()
        if series.metric == line.metric and line.values <= series.values
    ]


def _values(line: ChartLine, found: Mapping[Series, list[float]]) -> list[float]:
    return [value for values in _matching(line, found) for value in values]


def _newest(line: ChartLine, found: Mapping[Series, list[float]]) -> list[float]:
    """Of a gauge only what it said last; of everything else all."""
    several = _matching(line, found)
    gauge = line.metric.name in ("JobsWaiting", "SlotsHeld")
    return [value for values in several for value in (values[-1:] if gauge else values)]


def _reducer(
    properties: Mapping[str, Any],
) -> Callable[[list[float], Mapping[str, Any]], float | None]:
    def reduce(values: list[float], entry: Mapping[str, Any]) -> float | None:
        stat = str(entry.get("stat", properties.get("stat", "Sum")))
        if not values:
            return 0 if stat == "Sum" else None
        if stat.startswith("p"):
            return sorted(values)[math.ceil(len(values) * float(stat[1:]) / 100) - 1]
        return max(values) if stat == "Maximum" else sum(values)

    return reduce


def _number(value: float | None) -> str:
    if value is None:
        return _EMPTY
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


_STYLE = """
body { font: 14px/1.4 "Amazon Ember", "Helvetica Neue", Roboto, Arial, sans-serif; color: #16191f;
  background: #f2f3f3; margin: 0; padding: 16px 20px; }
h1 { font-size: 20px; margin: 0 0 12px; }
h2 { font-size: 14px; margin: 0 0 8px; }
.row { display: grid; grid-template-columns: repeat(6, 1fr); gap: 12px; margin-bottom: 12px; }
.tile, section { background: #fff; border: 1px solid #d5dbdb; border-radius: 4px; padding: 12px; }
.tile p { margin: 0; color: #545b64; }
.tile b { color: #16191f; font-size: 26px; font-weight: 400; }
a { color: #0073bb; }
.btn { border: 1px solid #aab7b8; border-radius: 2px; padding: 3px 12px; color: #545b64; }
.btn-primary { background: #ec7211; border-color: #ec7211; color: #fff; }
cwdb-action { display: none; }
"""
