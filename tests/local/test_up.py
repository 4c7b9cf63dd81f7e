"""`make down` returns when all has ended, and says so where it has not; `make mails`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import up
from local.follow import ReceivedMail

# On SIGTERM it tidies up for a while, or for ever.
SERVER = """
import signal, sys, time
def leave(*_):
    time.sleep(float(sys.argv[1]))
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
open(sys.argv[2], "w").close()
while True:
    time.sleep(1)
"""

Serving = Callable[[float], "subprocess.Popen[bytes]"]


@pytest.fixture
def serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    """A server that takes this many seconds to end."""
    monkeypatch.setattr(up, "PID", tmp_path / "pid")
    started: list[subprocess.Popen[bytes]] = []

    def start(seconds: float) -> subprocess.Popen[bytes]:
        ready = tmp_path / "ready"
        with (tmp_path / "log").open("wb") as log:
            started.append(up.launch([sys.executable, "-c", SERVER, str(seconds), str(ready)], log))
        while not ready.exists():
            assert started[-1].poll() is None
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_down_returns_when_the_server_has_ended(
    serving: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serving(0.3)
    assert up.down() == 0
    assert server.wait(timeout=0.1) == 0
    assert capsys.readouterr().out.splitlines() == ["stopping ...", "stopped"]
    assert up.down() == 0
    assert capsys.readouterr().out == "nothing is up\n"


def test_down_does_not_say_stopped_while_something_runs(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(up, "_STOP_S", 0.2)
    server = serving(60)
    assert up.down() == 1
    said = capsys.readouterr()
    assert f"process {server.pid} has not ended" in said.err
    assert "stopped" not in said.out


def test_a_number_of_another_program_is_not_taken_for_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(up, "PID", tmp_path / "pid")
    with subprocess.Popen(["sleep", "60"]) as other:  # noqa: S607
        up.PID.write_text(str(other.pid), encoding="utf-8")
        assert up.down() == 0
        assert other.poll() is None
        other.kill()
    assert capsys.readouterr().out == "nothing is up\n"


def test_mails_of_both_mailboxes_are_shown_until_there_are_none(
    serving: Serving,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert up.show_mails() == 2
    assert "`make up` starts it" in capsys.readouterr().err
    lying = {"people": [[mail("a")], [mail("b"), mail("c")]], "operators": [[mail("alarm")]]}
    monkeypatch.setattr(up, "mails", lambda _, box: lying[box].pop(0) if lying[box] else [])
    monkeypatch.setattr(up, "FACTS", tmp_path / "facts.json")
    facts = {"endpoint": "http://127.0.0.1:9", "mailbox": "people", "operators": "operators"}
    up.FACTS.write_text(json.dumps(facts), encoding="utf-8")
    serving(0)

    assert up.show_mails() == 0
    said = capsys.readouterr().out
    subjects = [line for line in said.splitlines() if line.startswith("Subject: ")]
    assert subjects == ["Subject: a", "Subject: b", "Subject: c", "Subject: alarm"]
    assert said.endswith("4 shown; they are deleted\n")
    up.show_mails()
    assert capsys.readouterr().out == "no new mails\n"


def mail(subject: str) -> ReceivedMail:
    return ReceivedMail(subject, f"the text of {subject}", {})
