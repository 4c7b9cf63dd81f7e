"""Files are checked before they are dropped, and followed to their end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from dropreel.jobs.job import Job, State, utc_iso
from dropreel.ledger.newest import NewestDrops
from tests.support.aws import Aws, Clock, make_job
from tests.support.desk import Terminal
from tests.support.pictures import picture


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    (tmp_path / "a.jpg").write_bytes(picture())
    (tmp_path / "a.json").write_text('{"prompt": "slow push-in"}')
    return tmp_path / "a.jpg"


@contextmanager
def hooked(aws: Aws, event: str, what: Callable[..., None]) -> Iterator[None]:
    """`what` is called with each call of S3 of this kind."""
    aws.s3.meta.events.register(event, what)
    try:
        yield
    finally:
        aws.s3.meta.events.unregister(event, what)


def test_good_files_pass_and_bad_ones_are_told_all_at_once(terminal: Terminal, shot: Path) -> None:
    assert terminal.run("lint", str(shot)).code == 0
    (shot.parent / "b.png").write_bytes(b"no picture")
    (shot.parent / "b.json").write_text('{"promt": "x", "duration": "7s"}')
    (shot.parent / "c.json").write_text('{"loop": "perhaps"}')
    said = terminal.run("lint", str(shot.parent), "--json")
    wrong = {Path(one["file"]).name: one["problems"] for one in said.json["files"]}
    assert (said.code, said.json["ok"], wrong["a.jpg"]) == (2, False, [])
    assert {problem["field"] for problem in wrong["b.png"]} >= {'"promt"', "duration", "image"}
    assert {problem["field"] for problem in wrong["c.json"]} == {"image", "loop"}
    assert "3 files checked, 2 with errors" in terminal.run("lint", str(shot.parent)).out


def test_names_that_nearly_agree_and_broken_json_are_told_as_in_the_mail(
    terminal: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "light house.jpg").write_bytes(picture())
    (tmp_path / "Light-House.json").write_text('{"prompt": "pan"}')
    (tmp_path / "b.jpg").write_bytes(picture())
    (tmp_path / "b.json").write_text('{"prompt": "pan",}')
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "LightHouse.jpg").write_bytes(picture())
    said = terminal.run("lint", str(tmp_path)).out
    assert said.count("Rename Light-House.json to light house.json and drop it again.") == 2
    assert "below/LightHouse.jpg: error: What should happen in it?" in said
    assert 'This would be correct:\n{\n  "prompt": "pan"\n}\n' in said


def test_a_prompt_and_fields_count_more_than_the_sidecar(terminal: Terminal, shot: Path) -> None:
    said = terminal.run(
        "estimate", str(shot), "--set", "resolution=1080p", "--set", "duration=10", "--json"
    ).json
    (clip,) = said["files"][0]["clips"]
    assert clip["settings"].startswith("10s 1080p ")
    assert said["total_usd"] == said["files"][0]["estimate_usd"] > 0


def test_all_that_a_folder_says_is_read_as_in_the_inbox(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "defaults.json").write_text('{"prompt": "pan", "resolution": "720p"}')
    (tmp_path / "x.jpg").write_bytes(picture())
    (tmp_path / "x.json").write_text('{"takes": [{"duration": "10s"}, {"provider": "fal"}]}')
    (one,) = terminal.run("estimate", str(tmp_path), "--json").json["files"]
    assert [(clip["provider"], clip["settings"]) for clip in one["clips"]] == [
        ("luma", "10s 720p 16:9"),
        ("fal", "5s 720p 16:9"),
    ]


@pytest.mark.parametrize("words", [["--set", "resolution"], ["--set", "colour=red"]])
def test_an_unknown_field_is_refused(terminal: Terminal, shot: Path, words: list[str]) -> None:
    said = terminal.run("lint", str(shot), *words)
    assert (said.code, "names no field" in said.err) == (2, True)


def test_an_estimate_is_compared_with_the_caps(terminal: Terminal, shot: Path) -> None:
    said = terminal.run("estimate", str(shot))
    assert (said.code, "left of $25.00; fits." in said.out) == (0, True)


def test_nothing_is_dropped_while_a_file_is_wrong(aws: Aws, terminal: Terminal, shot: Path) -> None:
    (shot.parent / "b.jpg").write_bytes(picture())
    said = terminal.run("drop", str(shot.parent), "--yes")
    assert (said.code, "nothing was dropped" in said.err) == (2, True)
    assert aws.s3.list_objects_v2(Bucket="inbox")["KeyCount"] == 0


def test_the_sidecar_is_uploaded_with_the_fields_of_the_command(
    aws: Aws, terminal: Terminal, shot: Path
) -> None:
    words = ("--prompt", "zoom out", "--set", "take=2", "--to", "summer", "--yes")
    assert terminal.run("drop", str(shot), *words, "--json").json == {"dropped": ["summer/a.jpg"]}
    body = aws.s3.get_object(Bucket="inbox", Key="summer/a.json")["Body"].read()
    assert json.loads(body) == {"prompt": "zoom out", "take": 2}
    assert aws.s3.head_object(Bucket="inbox", Key="summer/a.jpg")


def test_an_image_without_sidecar_needs_only_a_prompt(
    aws: Aws, terminal: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "x.png").write_bytes(picture(form="PNG"))
    assert terminal.run("drop", str(tmp_path / "x.png"), "--yes").code == 2
    assert terminal.run("drop", str(tmp_path / "x.png"), "--prompt", "pan", "--yes").code == 0
    assert aws.s3.head_object(Bucket="inbox", Key="x.json")


def test_references_lie_there_before_the_files_that_name_them(
    aws: Aws, terminal: Terminal, shot: Path
) -> None:
    guide = shot.parent / "references" / "style.png"
    guide.parent.mkdir()
    guide.write_bytes(picture(form="PNG"))
    shot.with_suffix(".json").write_text(
        '{"prompt": "pan", "reference_images": ["references/style.png"]}'
    )
    uploaded: list[str] = []
    noted = lambda params, **_: uploaded.append(params["Key"])  # noqa: E731
    with hooked(aws, "provide-client-params.s3.PutObject", noted):
        terminal.run("drop", str(shot.parent), "--yes")
    assert uploaded == ["references/style.png", "a.json", "a.jpg"]


def test_two_files_of_one_name_are_refused_with_both_paths(
    aws: Aws, terminal: Terminal, shot: Path
) -> None:
    other = shot.parent / "autumn" / "a.json"
    other.parent.mkdir()
    other.write_text('{"prompt": "zoom out"}')
    said = terminal.run("drop", str(shot), str(other), "--yes")
    assert (said.code, str(shot.with_suffix(".json")) in said.err) == (2, True)
    assert f"{other} would both be a.json in the inbox" in said.err
    assert aws.s3.list_objects_v2(Bucket="inbox")["KeyCount"] == 0


def test_a_file_that_is_named_twice_is_one_file(terminal: Terminal, shot: Path) -> None:
    words = (str(shot), str(shot.with_suffix(".json")), str(shot.parent))
    assert len(terminal.run("lint", *words, "--json").json["files"]) == 1


# --- what lies in the inbox already --------------------------------------------------------------


def lies_there(aws: Aws, key: str, **fields: object) -> None:
    aws.s3.put_object(Bucket="inbox", Key=key, Body=json.dumps(fields))


def clip_of(terminal: Terminal, *words: str) -> dict[str, object]:
    (one,) = terminal.run("estimate", *words, "--json").json["files"]
    (clip,) = one["clips"]
    found: dict[str, object] = clip
    return found


def test_the_price_is_that_of_the_folder_that_files_are_dropped_into(
    aws: Aws, terminal: Terminal, shot: Path
) -> None:
    lies_there(aws, "summer/defaults.json", duration=10)
    assert clip_of(terminal, str(shot))["settings"] == "5s 540p 16:9"
    inside = clip_of(terminal, str(shot), "--to", "summer")
    assert inside["settings"] == "10s 540p 16:9"
    asked = terminal.run("drop", str(shot), "--to", "summer").err
    assert f"Order 1 clip, for about ${inside['estimate_usd']:.2f} in all?" in asked


def test_a_sidecar_in_the_inbox_counts_unless_it_is_replaced(
    aws: Aws, terminal: Terminal, shot: Path
) -> None:
    lies_there(aws, "a.jpg.json", prompt="pan", duration=10)
    assert clip_of(terminal, str(shot))["settings"] == "10s 540p 16:9"
    shot.with_suffix(".json").rename(shot.parent / "a.jpg.json")
    assert clip_of(terminal, str(shot))["settings"] == "5s 540p 16:9"


def test_a_prompt_counts_more_than_a_nearer_sidecar_in_the_inbox(
    aws: Aws, terminal: Terminal, shot: Path
) -> None:
    lies_there(aws, "a.jpg.json", prompt="old", duration=10)
    words = (str(shot), "--prompt", "new")
    assert clip_of(terminal, *words)["settings"] == "5s 540p 16:9"
    assert terminal.run("drop", *words, "--yes").code == 0
    body = aws.s3.get_object(Bucket="inbox", Key="a.jpg.json")["Body"].read()
    assert json.loads(body) == {"prompt": "new"}


@pytest.mark.parametrize("name", ["a.json", "batch.csv"])
def test_the_images_that_a_file_alone_speaks_for_are_counted(
    aws: Aws, terminal: Terminal, tmp_path: Path, name: str
) -> None:
    aws.s3.put_object(Bucket="inbox", Key="a.jpg", Body=picture())
    text = '{"prompt": "pan"}' if name == "a.json" else "image,prompt\na.jpg,pan\nb.jpg,pan\n"
    (tmp_path / name).write_text(text)
    said = terminal.run("drop", str(tmp_path / name))
    assert "Order 1 clip, for about $" in said.err
    assert terminal.run("drop", str(tmp_path / name), "--yes", "--json").json == {
        "dropped": ["a.jpg"]
    }
    words = ("--watch", "--timeout", "0", "--yes", "--json")
    (followed,) = terminal.run("drop", str(tmp_path / name), *words).json["drops"]
    assert followed["image"] == "a.jpg"


def test_who_may_not_read_the_inbox_is_told_that_it_was_not_counted(
    aws: Aws, terminal: Terminal, shot: Path
) -> None:
    def denied(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")

    lies_there(aws, "defaults.json", duration=10)
    with hooked(aws, "before-call.s3.GetObject", denied):
        said = terminal.run("drop", str(shot))
        assert "without the defaults, sidecars and images that lie there. Order 1" in said.err
        assert terminal.run("estimate", str(shot), "--json").json["without_inbox"]
        assert terminal.run("drop", str(shot), "--yes").code == 0


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Callable[[], object]]], None]:
    """What happens in the stack while the command waits."""

    def plan(steps: list[Callable[[], object]]) -> None:
        tick = lambda _: steps.pop(0)() if steps else None  # noqa: E731
        monkeypatch.setattr("cli.follow.time.sleep", tick)

    return plan


def test_a_drop_is_followed_until_its_clip_is_delivered(
    aws: Aws,
    clock: Clock,
    terminal: Terminal,
    shot: Path,
    meanwhile: Callable[[list[Callable[[], object]]], None],
) -> None:
    clock.now = datetime.now(UTC)
    job = make_job(dropped_at=utc_iso(clock.now + timedelta(minutes=1)))

    def claim() -> None:
        aws.ledger.claim(job)
        key = NewestDrops(aws.table).read("inbox", "a.jpg").key
        aws.table.put(key, {"job_1": job.job_id})

    def move(state: State, **facts: object) -> Callable[[], object]:
        return lambda: aws.ledger.move(aws.ledger.require(job.job_id), state, **facts)

    meanwhile(
        [
            claim,
            move(State.SUBMITTING, asked_at=utc_iso(clock.now)),
            *map(move, (State.SUBMITTED, State.READY, State.DELIVERED)),
        ]
    )
    said = terminal.run("drop", str(shot), "--watch", "--yes")
    assert said.code == 0
    lines = [line.partition(": ")[2] for line in said.out.splitlines() if ": " in line]
    told = [line.partition(",")[0].strip() for line in lines]
    assert told == ["dropped", "waiting", "being ordered", "ordered", "being stored", "delivered"]


def test_a_rejection_is_told_and_the_exit_code_says_so(
    aws: Aws,
    terminal: Terminal,
    shot: Path,
    meanwhile: Callable[[list[Callable[[], object]]], None],
) -> None:
    record = {"problems": [{"field": "image", "found": "a GIF"}]}
    meanwhile([lambda: aws.clips.put_record("clips/a/rejected-1.json", record)])
    said = terminal.run("drop", str(shot), "--watch", "--yes", "--json")
    assert (said.code, said.json["drops"][0]["rejected"]) == (1, "image: a GIF")


def dropped_an_hour_ago(aws: Aws, clock: Clock) -> Job:
    clock.now = datetime.now(UTC)
    job = aws.ledger.claim(make_job(dropped_at=utc_iso(clock.now - timedelta(hours=1))))
    aws.table.put(NewestDrops(aws.table).read("inbox", "a.jpg").key, {"job_1": job.job_id})
    return job


def dropped_again(aws: Aws, clock: Clock, job: Job) -> None:
    aws.ledger.claim(replace(job, dropped_at=utc_iso(clock.now + timedelta(minutes=1))))


def test_a_drop_whose_clip_is_under_way_already_is_followed_to_its_end(
    aws: Aws,
    clock: Clock,
    terminal: Terminal,
    shot: Path,
    meanwhile: Callable[[list[Callable[[], object]]], None],
) -> None:
    job = dropped_an_hour_ago(aws, clock)
    meanwhile(
        [
            lambda: dropped_again(aws, clock, job),
            lambda: aws.ledger.move(aws.ledger.require(job.job_id), State.REFUSED),
        ]
    )
    said = terminal.run("drop", str(shot), "--watch", "--yes", "--json", "--timeout", "5")
    (drop,) = said.json["drops"]
    assert [(one["job_id"], one["state"]) for one in drop["jobs"]] == [(job.job_id, "refused")]


def test_of_an_image_whose_clip_was_delivered_the_rejection_is_told(
    aws: Aws,
    clock: Clock,
    terminal: Terminal,
    shot: Path,
    meanwhile: Callable[[list[Callable[[], object]]], None],
) -> None:
    job = dropped_an_hour_ago(aws, clock)
    for state in (State.SUBMITTING, State.SUBMITTED, State.READY, State.DELIVERED):
        job = aws.ledger.move(job, state, asked_at=utc_iso(clock.now))
    record = {"problems": [{"field": "image and sidecar", "found": "already delivered"}]}
    meanwhile(
        [
            lambda: dropped_again(aws, clock, job),
            lambda: aws.clips.put_record("clips/a/rejected-1.json", record),
        ]
    )
    said = terminal.run("drop", str(shot), "--watch", "--yes", "--json", "--timeout", "5")
    assert (said.code, said.json["drops"][0]["jobs"]) == (1, [])
    assert "already delivered" in said.json["drops"][0]["rejected"]


def test_a_dry_run_is_dropped_without_a_question_and_not_followed(
    aws: Aws, terminal: Terminal, shot: Path
) -> None:
    words = ("--set", "dry_run=true", "--watch", "--timeout", "5", "--json")
    said = terminal.run("drop", str(shot), *words)
    assert (said.code, said.json) == (0, {"dropped": ["a.jpg"]})
    assert aws.s3.head_object(Bucket="inbox", Key="a.jpg")
    assert "orders nothing" in terminal.run("drop", str(shot), *words[:2]).out
