"""The account and the stack as a whole."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cli.checks.visit import Visit, green, red, yellow
from dropreel import __version__
from dropreel.ledger.slots import SlotSettings
from dropreel.providers.catalog import limit_of
from dropreel.providers.checkup import Finding

CLOCK_S = 60.0  # AWS refuses what was signed five minutes off
_OFF_S = 240.0
# The functions of one job that run at once are one, besides those of drops, mails and the sweep.
_BESIDES = 10


def account(visit: Visit) -> Finding:
    who = visit.client("sts").get_caller_identity()
    name = str(who["Arn"]).rpartition(":")[2]
    return green(f"account {who['Account']}, region {visit.stack.region}, as {name}")


def clock(visit: Visit) -> Finding:
    answer = visit.client("sts").get_caller_identity()
    told = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    theirs = parsedate_to_datetime(told) if told else datetime.now(UTC)
    off = abs((visit.now() - theirs).total_seconds())
    if off < CLOCK_S:
        return green("this computer's clock agrees with that of AWS")
    words = f"this computer's clock is {off:.0f} s off"
    todo = "Set the clock. AWS does not accept calls that are signed five minutes off."
    return red(words, todo) if off > _OFF_S else yellow(words, todo)


def stack(visit: Visit) -> Finding:
    status, name = str(visit.described["StackStatus"]), visit.stack.name
    if status.endswith("_IN_PROGRESS"):
        return yellow(f"{name} is being changed: {status}", "Wait until the change is over.")
    if "ROLLBACK" in status or status.endswith("_FAILED"):
        todo = "Read the stack's events in CloudFormation, then deploy again: make deploy"
        return red(f"the last change of {name} failed: {status}", todo)
    return green(f"{name} is deployed: {status}")


def version(visit: Visit) -> Finding:
    deployed = visit.output("Version")
    if deployed == __version__:
        return green(f"version {deployed} is deployed, as here")
    words = f"version {deployed or 'unknown'} is deployed, and this command is of {__version__}"
    return yellow(words, "Deploy this version (make deploy), or use the command of that one.")


def functions_at_once(visit: Visit) -> Finding:
    limits = visit.client("lambda").get_account_settings()["AccountLimit"]
    quota = int(limits["ConcurrentExecutions"])
    overrides = visit.container.settings(SlotSettings).provider_limits
    slots = sum(limit_of(name, overrides).jobs for name in visit.used)
    words = f"{quota} functions may run at once, for {slots} slots"
    if quota >= slots + _BESIDES:
        return green(words)
    return yellow(
        words,
        "Jobs wait until a function is free. Ask AWS for more (Service Quotas, Lambda, Concurrent "
        "executions), or lower ProviderLimits.",
    )
