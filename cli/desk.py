"""What a command works with: the stack, the terminal, and the operator's answers."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console, RenderableType

from cli.errors import CommandError
from cli.stack import Stack, Target, connect
from dropreel.container import Container

WIDE = 10_000  # of what is no terminal: nothing is folded


@dataclass
class Desk:
    """One run of the command. Nothing is connected before it is needed."""

    target: Target = field(default_factory=Target)
    as_json: bool = False
    yes: bool = False
    out: Console = field(default_factory=lambda: _console())

    @cached_property
    def stack(self) -> Stack:
        return connect(self.target)

    @cached_property
    def container(self) -> Container:
        return self.stack.container()

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    @cached_property
    def who(self) -> str:
        """Who acts: the name in AWS where it can be told."""
        try:
            arn: str = self.stack.client("sts").get_caller_identity()["Arn"]
        except (BotoCoreError, ClientError):
            return getpass.getuser()
        return arn.rpartition(":")[2]

    def show(self, data: Any, view: Callable[[], RenderableType]) -> None:
        """The result: JSON for programs, else a view for people."""
        if self.as_json:
            self.print_json(data)
        else:
            self.print(view())

    def print(self, view: RenderableType) -> None:
        """Without a terminal each row is one line, which ends where its words do."""
        if self.out.is_terminal:
            self.out.print(view)
            return
        with self.out.capture() as made:
            self.out.print(view, soft_wrap=True)
        lines = "\n".join(line.rstrip() for line in made.get().split("\n"))
        self.out.out(lines, highlight=False, end="")

    def print_json(self, data: Any) -> None:
        sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False, default=_plain) + "\n")

    def say(self, text: str) -> None:
        """What happens on the way; programs do not get it."""
        if not self.as_json:
            self.out.print(text, highlight=False, markup=False)

    def ask(self, question: str) -> None:
        """Ends the command unless the operator agrees, or has with --yes."""
        if self.yes:
            return
        if not sys.stdin.isatty():
            raise CommandError(f"{question} Add --yes to agree where nobody can be asked.")
        if not typer.confirm(question, err=True):
            raise CommandError("nothing was changed")


def _console() -> Console:
    """As wide as the terminal; where there is none, wide enough for any row."""
    made = Console()
    return made if made.is_terminal else Console(width=WIDE)


def desk_of(context: typer.Context) -> Desk:
    found: Desk = context.find_object(Desk) or Desk()
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
