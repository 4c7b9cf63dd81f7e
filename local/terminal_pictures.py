"""Pictures of the terminal for the documentation, from a real run on the stack of `make up`.

python -m local.terminal_pictures [FOLDER]      writes docs/cli-drop.svg, -jobs and -doctor
"""

from __future__ import annotations

import io
import json
import re
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urljoin

import httpx
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, Group, RenderableType
from rich.text import Text

from cli.commands.doctor import examined, shown, total
from cli.desk import Desk
from cli.files import Files
from cli.find import moment, newest
from cli.follow import Dropped, Lines, dropped, look, upload
from cli.stack import Target
from cli.views import job_table
from local.embedded_aws import ROOT

SAMPLE = ROOT / "events" / "lighthouse.jpg"
DOCS = ROOT / "docs"
WIDTH = 120
FOLDER = sys.argv[1] if len(sys.argv) > 1 else "summer"
_PROMPTS = {
    "lighthouse": {"prompt": "slow push-in, soft light [sim: render=20]"},
    "harbour": {"prompt": "orbit around the boats [sim: render=45]", "duration": "10s"},
    "market": {"prompt": "pan to the left [sim: end=moderated]"},
    "tower": {"prompt": "tilt up", "max_cost_usd": 0.01},
}
_SECONDS = 300


def main() -> int:
    desk = Desk(Target(local=True))
    desk.out = _recorder()
    with tempfile.TemporaryDirectory() as folder:
        drops = _drop(desk, Path(folder))
    lines = Lines(desk, len(drops))
    frames = list(_frames(desk, drops, lines))
    command = f"dropreel drop {FOLDER}/ --to {FOLDER} --watch"
    _save(f"$ {command}", max(frames, key=_variety), "cli-drop.svg")
    found = list(newest(desk, moment("1d", desk.now)))
    _save("$ dropreel jobs", job_table(found, desk.now), "cli-jobs.svg")
    _save("$ dropreel doctor", _health(desk), "cli-doctor.svg")
    return 0


def _drop(desk: Desk, folder: Path) -> list[Dropped]:
    for name, fields in _PROMPTS.items():
        (folder / f"{name}.jpg").write_bytes(SAMPLE.read_bytes())
        (folder / f"{name}.json").write_text(json.dumps(fields))
    files = Files.of([folder], {}, FOLDER)
    upload(desk, files)
    return dropped(desk, files, files.images)


def _frames(desk: Desk, drops: list[Dropped], lines: Lines) -> list[str]:
    """What the terminal shows, second by second."""
    frames: list[str] = []
    for _ in range(_SECONDS):
        for one in drops:
            look(desk, one)
        lines.show(drops)
        screen = _recorder()
        screen.print(lines.progress.get_renderable())
        frames.append(screen.export_text(styles=True))
        if all(one.over for one in drops):
            break
        time.sleep(1)
    return frames


def _health(desk: Desk) -> RenderableType:
    """The doctor's lines, while fal offers a new ratio and Oxen takes no prompt any longer."""
    options = json.loads(desk.stack.environment["PROVIDER_OPTIONS"])
    door = urljoin(options["fal"]["base_url"], "/_control/drift")
    drifts = {"fal": ["aspect_ratio+9:21"], "oxen": ["-prompt"]}
    for provider, changes in drifts.items():
        httpx.post(door, json={"provider": provider, "changes": changes})
    lines = [*examined(desk)]
    for provider in drifts:
        httpx.post(door, json={"provider": provider, "changes": []})
    return Group(*map(shown, lines), Text(total(lines)))


def _variety(frame: str) -> int:
    """How much can be seen of how clips are made: the most states at once, with ended ones."""
    words = ("waiting", "ordered", "being made", "being stored", "delivered", "failed", "refused")
    return sum(word in frame for word in words)


def _recorder() -> Console:
    return Console(record=True, force_terminal=True, width=WIDTH, file=io.StringIO())


def _save(command: str, shown: RenderableType, name: str) -> None:
    screen = _recorder()
    screen.print(Text(command, style="bold"))
    screen.print(Text.from_ansi(shown) if isinstance(shown, str) else shown)
    plain = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = screen.export_svg(title="dropreel", font_aspect_ratio=0.61, code_format=plain)
    (DOCS / name).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
