"""What no answer of a provider explains: duplicates, late files, aborts, broken insides."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from local import stack
from tests.e2e.world import World, wait_for
from tests.unit.pictures import picture

IMAGE = picture(160, 90)


def sidecar(prompt: str, **fields: object) -> bytes:
    return json.dumps({"prompt": prompt, **fields}).encode()


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
    second = wait_for(
        "second mail", lambda: next(iter(world.postman.about("late/photo.jpg")[1:]), None)
    )
    assert second.document["outcome"] == "delivered"


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
    world.drop("again/photo.jpg", IMAGE, prompt=f"again {marker}")
    assert world.end_of("again/photo.jpg").outcome == "refused"
    first = world.read_json(world.mail_about("again/photo.jpg").document["record"])

    def dropped_later() -> bool | None:
        head = world.client("s3").put_object(Bucket=world.inbox, Key="again/clock", Body=b"")
        head = world.client("s3").head_object(Bucket=world.inbox, Key="again/clock")
        later = head["LastModified"].strftime("%Y-%m-%dT%H:%M:%S.000Z") > first["dropped_at"]
        return later or None

    wait_for("later second", dropped_later)
    world.drop("again/photo.jpg", IMAGE, prompt=f"again {marker}")
    second = wait_for(
        "second mail", lambda: next(iter(world.postman.about("again/photo.jpg")[1:]), None)
    )
    assert second.document["outcome"] == "delivered"
    assert second.document["job_id"] == first["job_id"]
    assert second.document["execution"].endswith("-2")
    assert len(world.ordered("again ")) == 1


def test_past_its_deadline_a_job_is_stalled_and_keeps_the_providers_id(world: World) -> None:
    world.drop("slow/photo.jpg", IMAGE, prompt="slow [sim: render=600]")
    job_id = world.job_id_of("slow/photo.jpg")
    world.in_state(job_id, "submitted", "running")
    world.change_ledger(job_id, deadline_at="2026-01-01T00:00:00.000Z")
    end = world.end_of("slow/photo.jpg")
    assert (end.outcome, end.kind) == ("stalled", "deadline")
    assert end.record["provider_job_id"] == world.ordered("slow ")[0].id
    assert len(world.operators.about("slow/photo.jpg")) == 1


def test_an_aborted_execution_is_told_once(world: World) -> None:
    world.drop("stop/photo.jpg", IMAGE, prompt="stop [sim: render=600]")
    arn = world.execution_of("stop/photo.jpg")
    world.in_state(world.job_id_of("stop/photo.jpg"), "submitted", "running")
    world.client("stepfunctions").stop_execution(executionArn=arn)
    end = world.end_of("stop/photo.jpg")
    assert (end.status, end.outcome, end.kind) == ("ABORTED", "stalled", "accident")
    assert len(world.postman.about("stop/photo.jpg")) == 1


def test_a_function_that_breaks_ends_the_job_with_a_mail_and_without_a_stack_trace(
    world: World,
) -> None:
    world.drop("broken/photo.jpg", IMAGE, prompt="broken [sim: render=600]")
    job_id = world.job_id_of("broken/photo.jpg")
    world.in_state(job_id, "submitted", "running")
    world.change_ledger(job_id, provider="nobody")
    end = world.end_of("broken/photo.jpg")
    assert (end.outcome, end.kind) == ("stalled", "accident")
    assert "Traceback" not in end.mail.text
    assert "KeyError" not in end.mail.text


def test_a_provider_that_is_down_ends_the_job_unpaid(world: World) -> None:
    """Through the options of the functions, since a simulator cannot refuse connections."""
    functions = world.client("lambda")
    name = next(
        item["FunctionName"]
        for item in functions.list_functions()["Functions"]
        if "GenerateFunction" in item["FunctionName"]
    )
    before = functions.get_function_configuration(FunctionName=name)["Environment"]
    options = json.loads(before["Variables"]["PROVIDER_OPTIONS"])
    options["eachlabs"]["base_url"] = "http://127.0.0.1:9"
    variables = {**before["Variables"], "PROVIDER_OPTIONS": json.dumps(options)}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    try:
        world.drop("down/photo.jpg", IMAGE, prompt="down", provider="eachlabs")
        end = world.end_of("down/photo.jpg")
    finally:
        functions.update_function_configuration(FunctionName=name, Environment=before)
    assert (end.outcome, end.kind) == ("refused", "unreachable")
    assert end.states.count("Ask provider") > 3


@pytest.mark.parametrize("keys", [{"oxen": "wrong"}, {"oxen": ""}], ids=["wrong", "missing"])
def test_a_wrong_or_missing_key_is_told_to_dropper_and_operator(
    world: World, keys: dict[str, str]
) -> None:
    key = f"keys/{keys['oxen'] or 'missing'}.jpg"
    stack.put_keys(world.stack.aws, world.stack.outputs, {**stack.KEYS, **keys})
    try:
        refresh_functions(world)
        world.drop(key, IMAGE, prompt=f"key {key}", provider="oxen")
        end = world.end_of(key)
    finally:
        stack.put_keys(world.stack.aws, world.stack.outputs, stack.KEYS)
        refresh_functions(world)
    assert (end.outcome, end.kind) == ("refused", "auth")
    assert world.ordered(f"key {key}") == []
    assert len(world.operators.about(key)) == 1


def refresh_functions(world: World) -> None:
    """Make the functions start anew, as after five minutes, when they read their keys again."""
    functions = world.client("lambda")
    for item in functions.list_functions()["Functions"]:
        functions.update_function_configuration(
            FunctionName=item["FunctionName"], Environment=item["Environment"]
        )
