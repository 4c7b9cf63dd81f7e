"""All checks, in the order in which they are shown: what others depend on comes first."""

from __future__ import annotations

from cli.checks import account, money, providers, wiring
from cli.checks.visit import Check

SELF_TEST = Check("self-test", wiring.self_test)
CHECKS = (
    Check("account", account.account),
    Check("clock", account.clock),
    Check("stack", account.stack),
    Check("version", account.version),
    Check("settings", providers.settings),
    Check("way of a drop", wiring.way_of_a_drop),
    Check("functions", wiring.functions),
    Check("functions at once", account.functions_at_once),
    Check("broken executions", wiring.ends_are_told),
    Check("sweep", wiring.sweep),
    Check("subscriptions", wiring.subscriptions),
    *providers.of_providers(),
    Check("orders", providers.orders),
    Check("pause", money.pause),
    Check("caps", money.caps),
    Check("prices", money.prices),
    Check("jobs", money.open_jobs),
    Check("queues", wiring.queues),
    Check("dead letters", wiring.dead_letters),
    Check("alarms", wiring.alarms),
    SELF_TEST,
)
