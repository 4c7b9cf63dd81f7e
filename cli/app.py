"""The table of commands, the options that all of them take, and how errors are told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from httpx import HTTPError
from typer.core import TyperGroup

from cli.commands import doctor, inbox, job_actions, jobs, money, orders, recovery, watch
from cli.desk import desk_of
from cli.errors import CommandError, Exit
from cli.stack import LOCAL_STACK, Target
from dropreel.errors import DropreelError
from dropreel.observability import mute

_VALUED = ("--stack", "--profile", "--region", "--endpoint-url")
_FLAGS = ("--local", "--json", "--yes")


class Anywhere(TyperGroup):
    """Takes the options of all commands before the command's name and after it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, hoisted(args))


def hoisted(args: Sequence[str]) -> list[str]:
    """The arguments with the options of all commands first; what follows `--` stays."""
    first: list[str] = []
    rest: list[str] = []
    left = iter(args)
    for arg in left:
        if arg == "--":
            return [*first, *rest, arg, *left]
        if arg in _VALUED:
            first += [arg, *[value for _, value in zip(range(1), left, strict=False)]]
        elif arg in _FLAGS or arg.startswith(tuple(f"{name}=" for name in _VALUED)):
            first.append(arg)
        else:
            rest.append(arg)
    return [*first, *rest]


app = typer.Typer(
    cls=Anywhere,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="These options may also follow the command. docs/cli.md describes every command.",
)


@app.callback()
def options(
    context: typer.Context,
    *,
    stack: Annotated[
        str, typer.Option(envvar="DROPREEL_STACK", help="Name of the stack.")
    ] = LOCAL_STACK,
    local: Annotated[bool, typer.Option("--local", help="Use the stack of `make up`.")] = False,
    profile: Annotated[str | None, typer.Option(help="Profile, as for the AWS CLI.")] = None,
    region: Annotated[str | None, typer.Option(help="Region, as for the AWS CLI.")] = None,
    endpoint_url: Annotated[
        str | None, typer.Option(help="Another AWS, as the AWS CLI has it.", hidden=True)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to everything, for scripts.")] = False,
) -> None:
    """Make clips of images, and act on the jobs of a stack."""
    desk = desk_of(context)
    desk.target = Target(stack, profile, region, endpoint_url, local)
    desk.as_json, desk.yes = as_json, yes
    context.obj = desk


_COMMANDS: dict[str, Callable[..., None]] = {
    "drop": inbox.drop,
    "estimate": inbox.estimate,
    "lint": inbox.lint,
    "jobs": jobs.jobs,
    "show": jobs.show,
    "open": jobs.open_page,
    "logs": jobs.logs,
    "watch": watch.watch,
    "cancel": job_actions.cancel,
    "resume": job_actions.resume,
    "retry": job_actions.retry,
    "pause": orders.pause,
    "unpause": orders.unpause,
    "spend": money.spend,
    "replay": recovery.replay,
    "sync": recovery.sync,
    "doctor": doctor.doctor,
}
for name, command in _COMMANDS.items():
    app.command(name)(command)


def main(arguments: Sequence[str], **options: Any) -> int:
    """Run the command. Errors become one line and an exit code, never a traceback."""
    mute()
    try:
        code = app(
            list(arguments) or ["--help"], prog_name="dropreel", standalone_mode=False, **options
        )
    except (KeyboardInterrupt, typer.Abort):
        return _told("interrupted", Exit.INTERRUPTED)
    except typer.TyperException as error:
        return _told(_usage(arguments, error), Exit.WRONG)
    except CommandError as error:
        return _told(str(error), error.exit)
    except DropreelError as error:
        return _told(str(error), Exit.WRONG)
    except NoCredentialsError:
        return _told("no AWS credentials: sign in, or name a --profile", Exit.NO_STACK)
    except (BotoCoreError, ClientError, HTTPError) as error:
        return _told(f"AWS could not be asked: {error}", Exit.NO_STACK)
    return int(code or 0)


def _usage(arguments: Sequence[str], error: typer.TyperException) -> str:
    """What is wrong with the arguments, and whose help says how they are written."""
    words = getattr(error, "format_message", error.__str__)().replace("Value error, ", "")
    command = [one for one in arguments if one in _COMMANDS][:1]
    end = "" if words.endswith((".", "?")) else "."
    return f"{words}{end} See `{' '.join(['dropreel', *command])} --help`."


def _told(text: str, code: Exit) -> int:
    sys.stderr.write(f"dropreel: {' '.join(text.split())}\n")
    return code
