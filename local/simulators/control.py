"""The tests' own door: what was accepted, what was asked, and the switches of a whole run."""

from __future__ import annotations

from dataclasses import asdict

from local.simulators.drift import checked
from local.simulators.faults import MarkerError
from local.simulators.provider import World
from local.simulators.settings import PROVIDERS
from local.simulators.views import view_of
from local.simulators.wire import Answer, Request, json_answer


def counters(world: World) -> dict[str, object]:
    """Figures of the run; `accepted` is exact, every one of these jobs would have been paid."""
    calls: dict[str, dict[str, int]] = {name: {} for name in PROVIDERS}
    for (provider, call), number in sorted(world.calls.items()):
        calls[provider][call] = number
    for provider in PROVIDERS:
        calls[provider]["download"] = world.cdn.calls[provider]
    return {
        "accepted": {name: world.store.accepted[name] for name in PROVIDERS},
        "calls": calls,
        "keys_seen_on_cdn": world.cdn.keys_seen,
        "max_running": {name: world.store.peak[name] for name in PROVIDERS},
        "rendered": world.studio.shelf.rendered,
    }


def reset(world: World) -> None:
    """Forget jobs, counts and faults; clips that are rendered stay."""
    world.faults.clear()
    world.store.reset()
    world.calls.forget()
    world.drift.clear()
    world.cdn.clear()
    for forget in world.on_reset:
        forget()


def answer(world: World, request: Request) -> Answer:
    match request.method, request.path:
        case "GET", "/jobs":
            jobs = [asdict(view_of(job)) for job in world.store.all()]
            return json_answer({"jobs": jobs, "counters": counters(world)})
        case "POST", "/faults":
            return _set_fault(world, request)
        case "POST", "/drift":
            return _set_drift(world, request)
        case "POST", "/reset":
            reset(world)
            return json_answer({"status": "ok"})
    return json_answer({"error": "no such control"}, 404)


def _set_drift(world: World, request: Request) -> Answer:
    """`{"provider": "fal", "changes": ["-loop"]}`, see `drift`."""
    try:
        body = request.json_object()
        changes = body.get("changes")
        given = [str(change) for change in changes] if isinstance(changes, list) else []
        world.drift[str(body.get("provider"))] = checked(given)
    except ValueError as error:
        return json_answer({"error": str(error)}, 400)
    return json_answer({"status": "ok"})


def _set_fault(world: World, request: Request) -> Answer:
    try:
        body = request.json_object()
        marker = body.get("marker")
        text = None if marker is None else str(marker)
        world.faults.set_standing(str(body.get("provider")), text)
    except (MarkerError, ValueError) as error:
        return json_answer({"error": str(error)}, 400)
    return json_answer({"status": "ok"})
