"""What no answer of a provider explains: duplicates, late files, aborts, broken insides."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import inf

import pytest

from dropreel.errors import ContentionError
from dropreel.jobs.job import Reservation, State, utc_iso
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.table import Table
from dropreel.money.budget import CapReachedError, Caps
from local.simulators import JobView
from tests.e2e.world import World, wait_for
from tests.support.aws import make_job
from tests.support.pictures import picture

IMAGE = picture(160, 90)


def sidecar(prompt: str, **fields: object) -> bytes:
    return json.dumps({"prompt": prompt, **fields}).encode()


@pytest.fixture(scope="module", autouse=True)
def slow_ends(world: World) -> None:
    """Jobs whose ends take long begin first; their tests are the last ones."""
    _break_its_polls(world, "broken/photo.jpg")
    _pass_its_deadline(world, "slow/photo.jpg")
    _stop_its_execution(world, "sweep/photo.jpg", render_s=8)


def _break_its_polls(world: World, key: str) -> None:
    world.change_ledger(_under_way(world, key, render_s=600), provider="nobody")


def _pass_its_deadline(world: World, key: str) -> None:
    """A poll that watches its job goes on for up to 40 seconds."""
    job_id = _under_way(world, key, render_s=600)
    world.change_ledger(job_id, deadline_at="2026-01-01T00:00:00.000Z")


def _stop_its_execution(world: World, key: str, *, render_s: int) -> None:
    _under_way(world, key, render_s=render_s)
    arn = world.execution_of(key)
    world.client("stepfunctions").stop_execution(executionArn=arn)


def _under_way(world: World, key: str, *, render_s: int) -> str:
    """The id of a new job that its provider has begun."""
    world.drop(key, IMAGE, prompt=f"{key} [sim: render={render_s}]")
    job_id = world.job_id_of(key)
    world.in_state(job_id, "submitted", "running")
    return job_id


@pytest.mark.parametrize("first", ["image", "sidecar"])
@pytest.mark.parametrize("name", ["photo.json", "photo.jpg.json"])
def test_files_in_either_order_make_one_clip(world: World, first: str, name: str) -> None:
    folder = f"order/{first}/{name.count('.')}"
    files = {"image": (f"{folder}/photo.jpg", IMAGE), "sidecar": (f"{folder}/{name}", b"")}
    prompt = f"order {folder}"
    files["sidecar"] = (files["sidecar"][0], sidecar(prompt))
    for which in (first, "sidecar" if first == "image" else "image"):
        world.put(*files[which])
    assert world.end_of(f"{folder}/photo.jpg").outcome == "delivered"
    assert len(world.ordered(prompt)) == 1


def test_an_image_alone_is_told_after_the_grace_and_started_by_its_late_sidecar(
    world: World,
) -> None:
    world.put("late/photo.jpg", IMAGE)
    first = world.mail_about("late/photo.jpg")
    assert first.document["problems"][0]["found"] == "none beside this image"
    world.put("late/photo.json", sidecar("late"))
    second = world.second_mail_about("late/photo.jpg")
    assert second.document["outcome"] == "delivered"


def test_a_folder_of_images_needs_one_file(world: World) -> None:
    world.put("summer/defaults.json", sidecar("summer", provider="luma", labels=["summer"]))
    keys = [f"summer/{number}.jpg" for number in range(3)]
    for key in keys:
        world.put(key, IMAGE)
    ends = [world.end_of(key) for key in keys]
    assert {end.outcome for end in ends} == {"delivered"}
    assert len(world.ordered("summer")) == 3
    assert {end.record["origins"]["prompt"] for end in ends} == {"summer/defaults.json"}
    assert {tuple(end.mail.document["labels"]) for end in ends} == {("summer",)}


def test_the_same_event_many_times_at_once_is_one_order_and_one_mail(world: World) -> None:
    world.drop("twice/photo.jpg", IMAGE, prompt="twice")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(world.send_event, ["twice/photo.jpg", "twice/photo.json"] * 6))
    assert world.end_of("twice/photo.jpg").outcome == "delivered"
    world.send_event("twice/photo.jpg")
    world.drop("twice/after.jpg", IMAGE, prompt="after")
    world.end_of("twice/after.jpg")
    assert len(world.ordered("twice")) == 1
    assert len(world.postman.about("twice/photo.jpg")) == 1


def test_a_job_that_ended_without_a_clip_starts_again_when_dropped_again(world: World) -> None:
    marker = "[sim: submit=402 times=1]"
    world.drop("again/photo.jpg", IMAGE, prompt=f"again {marker}", provider="luma")
    assert world.end_of("again/photo.jpg").outcome == "refused"
    first = world.read_json(world.mail_about("again/photo.jpg").document["record"])

    def dropped_later() -> bool | None:
        head = world.client("s3").put_object(Bucket=world.inbox, Key="again/clock", Body=b"")
        head = world.client("s3").head_object(Bucket=world.inbox, Key="again/clock")
        later = head["LastModified"].strftime("%Y-%m-%dT%H:%M:%S.000Z") > first["dropped_at"]
        return later or None

    wait_for("later second", dropped_later)
    world.drop("again/photo.jpg", IMAGE, prompt=f"again {marker}", provider="luma")
    second = world.second_mail_about("again/photo.jpg")
    assert second.document["outcome"] == "delivered"
    assert second.document["job_id"] == first["job_id"]
    assert second.document["execution"].endswith("-2")
    assert len(world.ordered("again ")) == 1


def test_an_aborted_execution_is_told_once(world: World) -> None:
    _stop_its_execution(world, "stop/photo.jpg", render_s=600)
    end = world.end_of("stop/photo.jpg")
    assert (end.status, end.outcome, end.kind) == ("ABORTED", "stalled", "accident")
    assert len(world.postman.about("stop/photo.jpg")) == 1


def test_a_provider_that_is_down_for_a_day_ends_the_job_unpaid(world: World) -> None:
    """Through the options of the function, since a simulator cannot refuse connections."""
    options = {"eachlabs": {"base_url": "http://127.0.0.1:9"}}
    with world.changed_function("GenerateFunction", PROVIDER_OPTIONS=json.dumps(options)):
        world.drop("down/photo.jpg", IMAGE, prompt="down", provider="eachlabs")
        job_id = world.job_id_of("down/photo.jpg")
        wait_for("some tries", lambda: world.tries("down/photo.jpg") > 3 or None)
        world.change_ledger(job_id, created_at="2026-01-01T00:00:00.000Z")
        end = world.end_of("down/photo.jpg")
    world.reset_breaker("eachlabs")
    assert (end.outcome, end.kind) == ("refused", "unreachable")
    assert end.states.count("Generate") > 3


def test_the_kill_switch_refuses_before_anything_is_ordered(world: World) -> None:
    with world.changed_function("GenerateFunction", ALLOW_PAID_CALLS="false"):
        world.drop("off/photo.jpg", IMAGE, prompt="switched off")
        end = world.end_of("off/photo.jpg")
    assert (end.outcome, end.kind) == ("refused", "paid_calls_off")
    assert world.ordered("switched off") == []


def test_a_function_killed_during_the_order_orders_once_and_the_order_is_found(
    world: World,
) -> None:
    with world.changed_function("GenerateFunction", timeout=3):
        world.drop(
            "killed/photo.jpg", IMAGE, prompt="killed [sim: submit=slow-after:8]", provider="fal"
        )
        job_id = world.job_id_of("killed/photo.jpg")
        wait_for("order", lambda: world.ordered("killed ") or None)
        arn = world.execution_of("killed/photo.jpg")
        wait_for("look", lambda: world.looks(arn) or None)
    long_ago = datetime.now(UTC) - timedelta(seconds=100)
    world.change_ledger(job_id, asked_at=utc_iso(long_ago))
    assert world.end_of("killed/photo.jpg").outcome == "delivered"
    assert len(world.ordered("killed ")) == 1


def test_while_generate_is_broken_its_job_waits_and_is_then_ordered_once(
    world: World,
) -> None:
    with world.changed_function("GenerateFunction", PROVIDER_OPTIONS="{"):
        world.drop("mended/photo.jpg", IMAGE, prompt="mended")
        arn = world.execution_of("mended/photo.jpg")
        wait_for("second try", lambda: world.looks(arn) > 1 or None)
        assert world.ordered("mended") == []
    end = world.end_of("mended/photo.jpg")
    assert end.outcome == "delivered"
    assert end.states.count("Generate") > 2
    assert len(world.ordered("mended")) == 1


def test_a_lost_order_that_the_operator_finds_is_delivered_without_another_order(
    world: World,
) -> None:
    world.drop("found/photo.jpg", IMAGE, prompt="found [sim: submit=drop-after]", provider="luma")
    first = world.end_of("found/photo.jpg")
    world.reset_breaker("luma")
    assert first.outcome == "unknown"
    (note,) = wait_for("note", lambda: world.operators.about("found/photo.jpg") or None)
    assert "aws stepfunctions start-execution" in note.text
    (order,) = world.ordered("found ")
    world.resume(first.record["job_id"], {"provider_job_id": order.id})
    assert world.second_mail_about("found/photo.jpg").document["outcome"] == "delivered"
    assert len(world.ordered("found ")) == 1


def test_caps_hold_under_many_orders_at_once(world: World) -> None:
    """64 at a time on the embedded table, on a day of its own."""
    table = Table(world.client("dynamodb"), world.stack.outputs["LedgerTableName"])
    ledger = Ledger(table)
    day = datetime(2031, 1, 31, tzinfo=UTC)
    caps = Caps(job=Decimal(5), day=Decimal("3.00"), month=Decimal(900))

    def order(number: int) -> bool:
        job = ledger.claim(make_job(job_id=f"cap-{number}"))
        for _ in range(20):
            try:
                money = Reservation.at(day, Decimal("0.15"))
                ledger.move_reserving(job, State.SUBMITTING, money, caps)
            except CapReachedError:
                return False
            except ContentionError:
                continue
            return True
        return False

    with ThreadPoolExecutor(64) as pool:
        taken = sum(pool.map(order, range(64)))
    for number in range(64):
        world.forget(f"cap-{number}")  # or the sweep would start them all
    assert taken == 20
    assert world.committed("2031-01-31") == world.committed("2031-01") == Decimal("3.00")


def test_a_folder_of_images_goes_through_two_slots_one_by_one_and_whole(world: World) -> None:
    keys = [f"folder/{number:02}.jpg" for number in range(9)]
    with ExitStack() as changes:
        for name in ("SlotFunction", "GenerateFunction", "PollFunction"):
            limits = json.dumps({"eachlabs": {"jobs": 2}})
            changes.enter_context(world.changed_function(name, PROVIDER_LIMITS=limits))
        for key in keys:
            prompt = f"folder {key} [sim: render=2]"  # long enough for two at once
            world.drop(key, IMAGE, prompt=prompt, provider="eachlabs")
        ends = [world.end_of(key) for key in keys]
    assert {end.outcome for end in ends} == {"delivered"}
    orders = world.ordered("folder ")
    assert len(orders) == len({order.prompt for order in orders}) == 9
    assert most_at_once(orders) == 2
    for end in ends:  # however many others there are
        assert [end.states.count(name) for name in ONCE] == [1] * len(ONCE)
        assert len(world.postman.about(end.record["source"]["key"])) == 1


ONCE = ("New or resumed?", "Wait for a slot", "Generate", "Finalize", "Delivered")


def most_at_once(orders: list[JobView]) -> int:
    """The most orders that were under way at the provider at the same time."""
    return max(
        sum(one.accepted_at <= other.accepted_at < (one.ended_at or inf) for one in orders)
        for other in orders
    )


@pytest.mark.parametrize(
    ("keys", "kind"),
    [({"oxen": "wrong"}, "auth"), ({"oxen": ""}, "no_key")],
    ids=["wrong", "missing"],
)
def test_a_wrong_or_missing_key_is_told_to_dropper_and_operator(
    world: World, keys: dict[str, str], kind: str
) -> None:
    key = f"keys/{keys['oxen'] or 'missing'}.jpg"
    with world.changed_keys(keys):
        world.drop(key, IMAGE, prompt=f"key {key}", provider="oxen")
        end = world.end_of(key)
    world.reset_breaker("oxen")
    assert (end.outcome, end.kind) == ("refused", kind)
    assert world.ordered(f"key {key}") == []
    assert len(wait_for("note", lambda: world.operators.about(key) or None)) == 1


def test_past_its_deadline_a_job_is_stalled_and_keeps_the_providers_id(world: World) -> None:
    end = world.end_of("slow/photo.jpg")
    assert (end.outcome, end.kind) == ("stalled", "deadline")
    assert end.record["provider_job_id"] == world.ordered("slow/photo.jpg")[0].id
    assert len(wait_for("note", lambda: world.operators.about("slow/photo.jpg") or None)) == 1


def test_a_function_that_breaks_ends_the_job_with_a_mail_and_without_a_stack_trace(
    world: World,
) -> None:
    end = world.end_of("broken/photo.jpg")
    assert (end.outcome, end.kind) == ("stalled", "accident")
    assert "Traceback" not in end.mail.text
    assert "KeyError" not in end.mail.text


def test_the_sweep_delivers_a_late_clip_once(world: World) -> None:
    key = "sweep/photo.jpg"
    assert world.end_of(key).outcome == "stalled"
    wait_for("late clip", lambda: world.ordered(key)[0].ended_at or None)
    for _ in range(2):
        answer = world.client("lambda").invoke(FunctionName=world.function("SweepFunction"))
        assert "FunctionError" not in answer
    assert world.second_mail_about(key).document["outcome"] == "delivered"
    assert len(world.ordered(key)) == 1
    assert len(world.postman.about(key)) == 2
