"""Run the simulators from the command line; prints one JSON line when they are ready."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from local.simulators.assembly import Simulators
from local.simulators.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted, terminated or, if so asked, until standard input closes."""
    options = _parser().parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    if options.until_stdin_closes:
        threading.Thread(target=_watch_stdin, args=(stopped,), daemon=True).start()
    with Simulators(_settings(options), port=options.port) as simulators:
        ready = {"port": simulators.port, "base_urls": simulators.base_urls()}
        print(json.dumps(ready), flush=True)
        stopped.wait()
    return 0


def _watch_stdin(stopped: threading.Event) -> None:
    """A pipe closes when the process that holds its other end is gone."""
    sys.stdin.buffer.read()
    stopped.set()


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        keys=dict(options.key),
        render_seconds=options.render_seconds,
        max_running={name: int(number) for name, number in options.max_running},
        luma_posts_per_minute=options.luma_posts_per_minute,
        early_validation=options.early_validation,
        oxen_needs_key=options.oxen_needs_key,
        oxen_narrow=options.oxen_narrow,
        url_life={name: float(seconds) for name, seconds in options.url_life},
        renders=options.renders,
        render_threads=options.render_threads,
        cache_dir=options.cache_dir,
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not PROVIDER=VALUE")
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.simulators", description=__doc__)
    pairs = {"action": "append", "default": [], "type": _pair, "metavar": "PROVIDER=VALUE"}
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--key", **pairs, help="API key of a provider")  # type: ignore[arg-type]
    parser.add_argument("--render-seconds", type=float, default=2.0, help="from accepted to ended")
    parser.add_argument("--max-running", **pairs, help="jobs at once")  # type: ignore[arg-type]
    parser.add_argument("--luma-posts-per-minute", type=int)
    parser.add_argument("--early-validation", action="store_true", help="fal checks at submit")
    parser.add_argument("--oxen-needs-key", action="store_true", help="also for its files")
    parser.add_argument("--oxen-narrow", action="store_true", help="as fal's newer schema")
    parser.add_argument("--url-life", **pairs, help="seconds")  # type: ignore[arg-type]
    parser.add_argument("--renders", choices=("with-job", "on-download"), default="with-job")
    parser.add_argument("--render-threads", type=int, default=2)
    parser.add_argument("--cache-dir", type=Path, help="keep rendered clips here")
    parser.add_argument("--until-stdin-closes", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
