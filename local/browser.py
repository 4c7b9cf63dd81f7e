"""A real browser, without a window, that opens pages as a phone or a desktop would.

It is steered over two pipes in the protocol of Chromium's own developer tools, so nothing but
the browser has to be installed. It reaches this machine only.
"""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from local.control_room import browser

_TIME_S = 60.0
_OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
_ARGUMENTS = (
    *("--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--mute-audio"),
    *("--disable-background-networking", "--disable-dev-shm-usage", _OFFLINE),
)
# The pipes' numbers are what Chromium expects, so a shell puts them there before it starts it.
_ON_PIPES = 'exec 3<&"$1" 4>&"$2"; shift 2; exec "$@" --remote-debugging-pipe'


@dataclass(frozen=True)
class Screen:
    """Width and height in CSS pixels; `scale` is how many of its own a pixel has."""

    width: int
    height: int
    mobile: bool = False
    scale: float = 1


PHONE = Screen(390, 844, mobile=True, scale=2)
DESKTOP = Screen(1280, 900)


class BrowserError(Exception):
    """The browser did not do what it was told; the message is for people."""


class Browser:
    """A running browser, with a profile of its own that goes with it.

    `events` is what it has told without being asked.
    """

    def __init__(self) -> None:
        """Raises BrowserError where none is installed."""
        program = browser()
        if program is None:
            raise BrowserError("no chromium here")
        self._profile = tempfile.TemporaryDirectory(
            prefix="dropreel-browser-", ignore_cleanup_errors=True
        )
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # it refuses to be root with one
        command = [program, *_ARGUMENTS, *sandbox, f"--user-data-dir={self._profile.name}"]
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", _ON_PIPES, "bash", str(theirs_in), str(theirs_out), *command],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._rest = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.call("Browser.close")
            self._process.wait(timeout=10)
        except (BrowserError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)
        self._profile.cleanup()

    def open(self, address: str, screen: Screen) -> Tab:
        """A new tab that shows `address`."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        tab = Tab(self, attached["sessionId"])
        tab.show(address, screen)
        return tab

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """Tell the browser to do something, and return its answer."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + _TIME_S
        while (answer := self._next(deadline)).get("id") != self._number:
            self.events.append(answer)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error'].get('message')}")
        return dict(answer["result"])

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._from], [], [], left)[0]:
                raise BrowserError("the browser does not answer")
            piece = os.read(self._from, 1 << 16)
            if not piece:
                raise BrowserError("the browser has ended")
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))


@dataclass(frozen=True)
class Tab:
    """One open page."""

    browser: Browser
    session: str

    def show(self, address: str, screen: Screen) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=screen.width,
            height=screen.height,
            deviceScaleFactor=screen.scale,
            mobile=screen.mobile,
        )
        self.call("Log.enable")  # what the page's policy forbids is told there
        self.call("Page.enable")
        self.call("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **parameters)

    def value(self, expression: str) -> Any:
        """What an expression comes to in the page."""
        answer = self.call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails'].get('text')}")
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """The first true value of an expression. Raises BrowserError when there is none."""
        deadline = time.monotonic() + _TIME_S
        while not (found := self.value(expression)):
            if time.monotonic() > deadline:
                raise BrowserError(f"never true: {expression}")
            time.sleep(0.05)
        return found

    def complaints(self) -> list[str]:
        """What the browser has logged about the page: refused by its policy, not found, ..."""
        events = [one for one in self.browser.events if one.get("sessionId") == self.session]
        told = (event for event in events if event["method"] == "Log.entryAdded")
        return [str(event["params"]["entry"]["text"]) for event in told]

    def click_download(self, expression: str) -> str:
        """Click what `expression` names; returns the name under which a file would be saved."""
        self.browser.call("Browser.setDownloadBehavior", behavior="deny", eventsEnabled=True)
        self.value(f"({expression}).click()")
        begun = "Browser.downloadWillBegin"
        deadline = time.monotonic() + _TIME_S
        while not (found := [e for e in self.browser.events if e["method"] == begun]):
            if time.monotonic() > deadline:
                raise BrowserError("no download began")
            self.value("1")
            time.sleep(0.05)
        return str(found[-1]["params"]["suggestedFilename"])

    def picture(self, target: Path, *, whole: bool = True) -> None:
        """Save what the page looks like now as a PNG; not `whole`: what the screen shows."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        target.write_bytes(base64.b64decode(shot["data"]))
