"""Fewer files: defaults for a folder, prompts in texts, rows of a batch."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import ClipInfo, State, utc_iso
from dropreel.ledger.batches import Batches
from dropreel.mail.message import Links
from dropreel.mail.results import clip_not_delivered
from tests.support.uploads import BODIES, GRACE_S, SETTLE_S, Uploads

PHOTO = BODIES[1]
HOUR = 3600.0


def fields(**values: Any) -> bytes:
    return json.dumps(values).encode()


def prompts(uploads: Uploads) -> list[str]:
    return sorted(order.prompt for order in uploads.run())


def by_image(uploads: Uploads) -> dict[str, str]:
    uploads.run()
    return {job.source.key.rpartition("/")[2]: job.settings.prompt for job in uploads.jobs}


# --- defaults ------------------------------------------------------------------------------------


def test_a_folder_of_images_needs_one_file() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/defaults.json", fields(prompt="push-in", duration=10), 1)
    for number in range(9):
        uploads.upload(number, f"a/{number}.jpg", PHOTO, 1)
    assert prompts(uploads) == ["push-in"] * 9
    assert {job.settings.duration for job in uploads.jobs} == {"10s"}
    assert uploads.jobs[0].origins == {"prompt": "a/defaults.json", "duration": "a/defaults.json"}
    assert uploads.mails == []


def test_defaults_are_merged_down_the_tree_and_the_nearest_wins_field_by_field() -> None:
    uploads = Uploads()
    uploads.upload(0, "defaults.json", fields(prompt="far", resolution="720p", take=7), 1)
    uploads.upload(0, "a/defaults.json", fields(prompt="near"), 1)
    uploads.upload(1, "a/b/photo.jpg", PHOTO, 1)
    uploads.upload(1, "a/b/photo.json", fields(take=2), 1)
    uploads.run()
    (job,) = uploads.jobs
    settings = job.settings
    assert (settings.prompt, settings.resolution, settings.take) == ("near", "720p", 2)
    assert job.origins == {
        "prompt": "a/defaults.json",
        "resolution": "defaults.json",
        "take": "a/b/photo.json",
    }


def test_an_image_whose_own_sidecar_comes_a_second_later_is_bought_once() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/defaults.json", fields(prompt="default"), 1)
    uploads.upload(10, "a/photo.jpg", PHOTO, 0.5)
    uploads.upload(11.5, "a/photo.json", fields(prompt="own"), 0.5)
    assert prompts(uploads) == ["own"]


def test_changing_the_defaults_orders_nothing_however_often_events_come() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/defaults.json", fields(prompt="first"), 1)
    uploads.upload(10, "a/photo.jpg", PHOTO, 1, 2 * HOUR)  # the event comes again
    uploads.upload(HOUR, "a/defaults.json", fields(prompt="second"), 1)
    assert prompts(uploads) == ["first"]


def test_an_image_that_is_dropped_again_takes_the_changed_defaults() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/defaults.json", fields(prompt="first"), 1)
    uploads.upload(10, "a/photo.jpg", PHOTO, 1)
    uploads.upload(HOUR, "a/defaults.json", fields(prompt="second"), 1)
    uploads.upload(HOUR + 10, "a/photo.jpg", PHOTO, 1)
    assert prompts(uploads) == ["first", "second"]


def test_images_that_came_before_their_defaults_start_with_them() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/photo.jpg", PHOTO, 1)
    uploads.upload(60, "a/defaults.json", fields(prompt="push-in"), 1)
    (ordered,) = uploads.run()
    assert ordered.at < 60 + SETTLE_S + 5
    assert uploads.mails == []


def test_an_image_that_was_mailed_about_is_not_started_by_later_defaults() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/photo.jpg", PHOTO, 1)
    uploads.upload(GRACE_S + HOUR, "a/defaults.json", fields(prompt="push-in"), 1)
    assert prompts(uploads) == []
    assert uploads.mails == ["photo.jpg: one file is missing"]


def test_broken_defaults_are_mailed_at_once_and_their_images_wait_for_the_corrected_file() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/defaults.json", b'{"prompt": "push-in",}', 1)
    for number in range(3):
        uploads.upload(2, f"a/{number}.jpg", PHOTO, 1)
    uploads.at(100, lambda: mails.extend(uploads.mails))
    mails: list[str] = []
    uploads.upload(200, "a/defaults.json", fields(prompt="push-in"), 1)
    assert prompts(uploads) == ["push-in"] * 3
    assert mails == uploads.mails == ["defaults.json: please correct this file"]


def test_defaults_without_a_prompt_only_change_what_sidecars_leave_open() -> None:
    uploads = Uploads()
    uploads.upload(0, "defaults.json", fields(max_cost_usd=0.01), 1)
    uploads.upload(1, "a/photo.jpg", PHOTO, 1)
    uploads.upload(2, "a/photo.json", fields(prompt="push-in"), 1)
    assert prompts(uploads) == []
    (job,) = uploads.jobs
    assert str(job.max_cost_usd) == "0.01"


def test_a_wrong_name_of_defaults_is_told() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/Batch.CSV", b"image,prompt\n", 1)
    uploads.run()
    (mail,) = uploads.sns.published
    assert mail.document["problems"][0]["hint"] == "Rename it to batch.csv."


# --- texts, metadata -----------------------------------------------------------------------------


def test_a_text_beside_an_image_is_its_prompt() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/photo.jpg", PHOTO, 1)
    uploads.upload(1, "a/photo.txt", "\ufeff slow push-in, m\u00f6ven \r\n".encode(), 1)
    assert prompts(uploads) == ["slow push-in, m\u00f6ven"]


def test_text_and_sidecar_are_read_together() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/photo.txt", b"push-in", 1)
    uploads.upload(0, "a/photo.jpg.json", fields(resolution="720p"), 1)
    uploads.upload(1, "a/photo.jpg", PHOTO, 1)
    uploads.run()
    (job,) = uploads.jobs
    assert (job.settings.prompt, job.settings.resolution) == ("push-in", "720p")


@pytest.mark.parametrize("text", [b"", b" \n", b"x" * 6001, b"\xff\xff"])
def test_a_text_that_is_no_prompt_is_mailed(text: bytes) -> None:
    uploads = Uploads()
    uploads.upload(0, "a/photo.txt", text, 1)
    uploads.upload(1, "a/photo.jpg", PHOTO, 1)
    assert prompts(uploads) == []
    (mail,) = uploads.sns.published
    assert mail.document["problems"][0]["field"] == "prompt"


def test_a_text_without_an_image_is_left_alone() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/readme.txt", b"These are our photos", 1)
    assert (uploads.run(), uploads.mails) == ([], [])


def test_metadata_carries_every_field() -> None:
    uploads = Uploads()
    told = {"prompt": "push-in", "duration": "10", "loop": "FALSE", "Aspect-Ratio": "16:9"}
    more = {"labels": "spring | shop", "mtime": "1700000000", "x-amz-key": "abc", "take": "2"}
    uploads.upload(0, "a/photo.jpg", PHOTO, 1, metadata={**told, **more})
    uploads.run()
    (job,) = uploads.jobs
    settings = job.settings
    assert (settings.duration, settings.aspect_ratio, settings.take) == ("10s", "16:9", 2)
    assert job.labels == ("spring", "shop")
    assert job.origins["duration"] == "a/photo.jpg (metadata)"


def test_metadata_of_an_unknown_name_is_refused_by_its_name() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/photo.jpg", PHOTO, 1, prompt="push-in", durration="10s")
    assert prompts(uploads) == []
    (mail,) = uploads.sns.published
    (problem,) = mail.document["problems"]
    assert (problem["field"], problem["hint"]) == ('"durration"', "Did you mean duration?")


# --- batches -------------------------------------------------------------------------------------

TABLE = b"""\
image,prompt,duration
one.jpg,"push-in, slowly",10
two.jpg,pull-out,7s
three.jpg,orbit,
"""


def drop_batch(
    uploads: Uploads, table: bytes = TABLE, at: float = 0, name: str = "batch.csv"
) -> None:
    for number, image in enumerate(("one", "two", "three")):
        uploads.upload(at + number, f"a/{image}.jpg", PHOTO, 1)
    uploads.upload(at + 5, f"a/{name}", table, 1)


def test_good_rows_of_a_batch_go_on_and_wrong_ones_come_in_one_mail_with_their_numbers() -> None:
    uploads = Uploads()
    drop_batch(uploads)
    assert prompts(uploads) == ["orbit", "push-in, slowly"]
    rejected = [mail for mail in uploads.sns.published if mail.outcome == "rejected"]
    (mail,) = rejected
    (problem,) = mail.document["problems"]
    assert (problem["field"], problem["found"]) == ("row 3, duration", '"7s"')
    assert "the others go on" in mail.text


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("batch.csv", b'\xef\xbb\xbfsep=;\r\nImage;Prompt\r\none.jpg;"a; b"\r\n;\r\ntwo.jpg;c\r\n'),
        ("batch.csv", "image\tprompt\none.jpg\ta; b\ntwo.jpg\tc".encode("utf-16")),
        (
            "batch.jsonl",
            b'{"image": "one.jpg", "prompt": "a; b"}\n\n{"image":"two.jpg","prompt":"c"}',
        ),
    ],
    ids=["excel", "tabs in UTF-16", "jsonl"],
)
def test_a_batch_is_read_as_spreadsheets_and_programs_write_it(name: str, table: bytes) -> None:
    uploads = Uploads()
    drop_batch(uploads, table, name=name)
    uploads.upload(6, "a/three.json", fields(prompt="own"), 1)
    assert by_image(uploads) == {"one.jpg": "a; b", "two.jpg": "c", "three.jpg": "own"}


def test_an_image_that_comes_after_the_batch_finds_its_row() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/batch.csv", b"image,prompt\nlate.jpg,push-in\n", 1)
    uploads.upload(2 * HOUR, "a/late.jpg", PHOTO, 1)
    assert prompts(uploads) == ["push-in"]


def test_one_changed_row_of_a_batch_makes_one_new_clip() -> None:
    uploads = Uploads()
    first = b"image,prompt\none.jpg,a\ntwo.jpg,b\nthree.jpg,c\n"
    drop_batch(uploads, first)
    uploads.upload(2 * HOUR, "a/batch.csv", first.replace(b",b", b",new"), 1)
    assert prompts(uploads) == ["a", "b", "c", "new"]


def test_a_row_and_a_sidecar_are_read_together_and_the_sidecar_wins() -> None:
    uploads = Uploads()
    drop_batch(uploads, b"image,prompt,duration\none.jpg,row,10\n")
    uploads.upload(4, "a/one.json", fields(prompt="own"), 1)
    uploads.run()
    (job,) = uploads.jobs
    assert (job.settings.prompt, job.settings.duration) == ("own", "10s")
    assert job.origins == {"prompt": "a/one.json", "duration": "a/batch.csv, row 2"}


def test_a_new_image_beside_a_wrong_row_is_mailed_about() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/batch.csv", b"image,prompt,duration\none.jpg,row,7\n", 1)
    uploads.upload(GRACE_S + HOUR, "a/one.jpg", PHOTO, 1)
    assert prompts(uploads) == []
    assert [mail.outcome for mail in uploads.sns.published] == ["rejected", "rejected"]


@pytest.mark.parametrize(
    ("table", "found"),
    [
        (b"", "0 rows"),
        (b"image,prompt\n", "0 rows"),
        (b"image,promt\none.jpg,a\n", 'the columns "image, promt"'),
        (b"file,prompt\none.jpg,a\n", 'the columns "file, prompt"'),
        (b'image,prompt\none.jpg,"a\n', "a table whose quotation marks do not match"),
        (b"image,prompt\n\xf6.jpg,a\n", "text in an unknown encoding"),
        (b"image,prompt\none.jpg,a, b\n", "more cells than the table has columns"),
        (b"image,prompt\none.jpg,a\none.jpg,b\n", "a/one.jpg in 2 rows"),
        (b"image,prompt\n../one.jpg,a\n", '"../one.jpg"'),
        (b"image,prompt\none,a\n", '"one"'),
        (b"image,prompt\none.jpg,\n", "nothing"),
        (b"image,prompt\n" + b"one.jpg,a\n" * 501, "501 rows"),
    ],
)
def test_a_batch_that_cannot_be_used_is_mailed_once_and_starts_nothing(
    table: bytes, found: str
) -> None:
    uploads = Uploads()
    drop_batch(uploads, table)
    assert prompts(uploads) == []
    about = [mail for mail in uploads.sns.published if mail.document["file"] == "a/batch.csv"]
    (mail,) = about
    assert mail.document["problems"][0]["found"] == found


# --- what is no drop -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["a/._photo.jpg", "a/._photo.json", "__MACOSX/a/photo.jpg", "a/references/look.jpg"]
)
def test_left_overs_of_computers_and_references_are_no_drops(key: str) -> None:
    uploads = Uploads()
    uploads.upload(0, "defaults.json", fields(prompt="push-in"), 1)
    uploads.upload(0, key, PHOTO, 1)
    assert (uploads.run(), uploads.mails) == ([], [])


@pytest.mark.parametrize(
    ("image", "sidecar", "right"),
    [
        ("a/Photo.JPG", "a/photo.json", "Photo.json"),
        ("a/caf\u00e9.jpg", "a/cafe\u0301.json", "caf\u00e9.json"),
        ("a/photo 1.jpg", "a/photo_1.json", "photo 1.json"),
        ("a/photo.jpg", "a/photo.jpeg.json", "photo.json"),
    ],
)
def test_names_that_nearly_agree_are_told_in_one_mail(image: str, sidecar: str, right: str) -> None:
    uploads = Uploads()
    uploads.upload(0, image, PHOTO, 1)
    uploads.upload(5, sidecar, fields(prompt="push-in"), 1)
    assert prompts(uploads) == []
    (mail,) = uploads.sns.published
    (problem,) = mail.document["problems"]
    name = sidecar.rpartition("/")[2]
    assert problem["hint"] == f"Rename {name} to {right} and drop it again."


# --- references ----------------------------------------------------------------------------------


def drop_with_references(uploads: Uploads, at: float, *places: str) -> None:
    asked = {"prompt": "push-in", "reference_images": list(places)}
    uploads.upload(at, "a/photo.jpg", PHOTO, 1)
    uploads.upload(at + 1, "a/photo.json", fields(**asked), 1)


def test_references_in_the_inbox_are_pinned_and_signed_for_the_order() -> None:
    uploads = Uploads(PROVIDERS="eachlabs")
    uploads.upload(0, "a/references/look.jpg", BODIES[2], 1)
    drop_with_references(uploads, 5, "references/look.jpg", "https://e.com/a.png")
    uploads.run()
    (request,) = uploads.provider.requests
    address, signed = request.reference_image_urls
    assert address == "https://e.com/a.png"
    key = urlsplit(signed).path.lstrip("/")
    assert uploads.s3.objects["clips", key].body == BODIES[2]
    assert "X-Amz-Signature" in signed


def test_another_picture_under_the_name_of_a_reference_is_another_clip() -> None:
    uploads = Uploads(PROVIDERS="eachlabs")
    for start, look in ((0.0, BODIES[2]), (HOUR, PHOTO), (2 * HOUR, PHOTO)):
        uploads.upload(start, "look/references/look.jpg", look, 1)
        drop_with_references(uploads, start + 5, "/look/references/look.jpg")
    uploads.run()
    assert len(uploads.orders) == 2


@pytest.mark.parametrize("place", ["missing.jpg", "photo.json"])
def test_a_reference_that_is_no_image_in_the_inbox_is_told(place: str) -> None:
    uploads = Uploads(PROVIDERS="eachlabs")
    drop_with_references(uploads, 0, place)
    assert prompts(uploads) == []
    (mail,) = uploads.sns.published
    assert mail.document["problems"][0]["field"] == "reference_images"


# --- the mail about a batch ----------------------------------------------------------------------


def end_all(uploads: Uploads) -> None:
    """Every order fails a minute later, unbilled; people are mailed as `finalize` does it."""
    for job in {job.job_id: job for job in uploads.jobs}.values():
        if job.state is State.SUBMITTED:
            failure = JobFailure(FailureKind.MODERATED, "no", billed=False)
            uploads.ledger.move(job, State.FAILED, failure=failure)
            ended = uploads.ledger.require(job.job_id)
            uploads.results.send(clip_not_delivered(ended, LINKS))
            uploads.told(ended.mail_id)


LINKS = Links("us-east-1", "clips")


def to_mailboxes(uploads: Uploads) -> list[str]:
    return [mail.document["subject"] for mail in uploads.sns.published if mail.to_mailboxes]


def test_when_all_rows_of_a_batch_have_ended_one_mail_tells_of_all() -> None:
    uploads = Uploads()
    drop_batch(uploads, b"image,prompt\none.jpg,a\ntwo.jpg,b\nfour.jpg,c\n")
    uploads.at(300, lambda: end_all(uploads))
    uploads.run()
    assert to_mailboxes(uploads) == [
        "three.jpg: one file is missing",
        "batch.csv: 0 clips ready, 2 without a clip",
    ]
    mail = uploads.sns.published[-1]
    assert (mail.outcome, mail.document["waiting"]) == ("digest", 1)
    assert "- one.jpg: failed." in mail.text
    assert "- four.jpg" in mail.text
    machines = [mail.document["job_id"] for mail in uploads.sns.published if not mail.to_mailboxes]
    assert len(machines) == 2


def test_what_ends_after_the_mail_about_its_batch_has_a_mail_of_its_own() -> None:
    uploads = Uploads()
    drop_batch(uploads, b"image,prompt\none.jpg,a\ntwo.jpg,b\nlate.jpg,c\n")
    uploads.at(300, lambda: end_all(uploads))
    uploads.upload(2 * HOUR, "a/late.jpg", PHOTO, 1)
    uploads.at(3 * HOUR, lambda: end_all(uploads))
    uploads.run()
    assert to_mailboxes(uploads)[-1] == "late.jpg: no clip"


CLIP = ClipInfo(5.0, 960, 540, 1_000_000, "0" * 64)


def deliver_all(uploads: Uploads) -> None:
    for job in uploads.jobs:
        if job.state is State.SUBMITTED:
            ready = uploads.ledger.move(job, State.READY)
            delivered_at = utc_iso(uploads.moment())
            uploads.ledger.move(ready, State.DELIVERED, clip=CLIP, delivered_at=delivered_at)
            uploads.told(uploads.ledger.require(job.job_id).mail_id)


def test_rows_whose_clips_are_made_say_nothing_when_the_batch_comes_again() -> None:
    uploads = Uploads()
    table = b"image,prompt\none.jpg,a\ntwo.jpg,b\nthree.jpg,c\n"
    drop_batch(uploads, table)
    uploads.at(300, lambda: deliver_all(uploads))
    uploads.upload(2 * HOUR, "a/batch.csv", table.replace(b",c", b",new"), 1)
    uploads.at(2 * HOUR + 300, lambda: end_all(uploads))
    uploads.run()
    assert len(uploads.orders) == 4
    assert to_mailboxes(uploads)[-1] == "batch.csv: 0 clips ready, 1 without a clip"
    assert uploads.sns.published[-1].document["made_before"] == 2


def test_rows_that_ended_without_a_clip_and_unpaid_run_again_when_the_batch_comes_again() -> None:
    uploads = Uploads()
    table = b"image,prompt\none.jpg,a\ntwo.jpg,b\nthree.jpg,c\n"
    drop_batch(uploads, table)
    uploads.at(300, lambda: end_all(uploads))
    uploads.upload(2 * HOUR, "a/batch.csv", table.replace(b",a", b", a "), 1)
    uploads.at(3 * HOUR, lambda: end_all(uploads))
    uploads.run()
    assert len(uploads.orders) == 6  # they had ended without a clip, unpaid
    assert to_mailboxes(uploads) == ["batch.csv: 0 clips ready, 3 without a clip"] * 2


def test_the_sweep_looks_at_a_batch_whose_message_was_lost() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/batch.csv", b"image,prompt\none.jpg,a\n", 1)
    uploads.lose_messages("batch")
    uploads.run()
    assert to_mailboxes(uploads) == []
    uploads.lose_messages("")
    uploads.at(2 * HOUR, uploads.check_forgotten_batches)
    uploads.run()
    assert to_mailboxes(uploads) == ["batch.csv: 0 clips ready"]


def test_a_batch_whose_event_comes_again_is_told_once_and_swallows_no_result() -> None:
    uploads = Uploads()
    drop_batch(uploads, b"image,prompt\none.jpg,a\ntwo.jpg,b\nlate.jpg,c\n")
    uploads.at(300, lambda: end_all(uploads))
    uploads.upload(2 * HOUR, "a/late.jpg", PHOTO, 1)
    uploads.at(3 * HOUR, lambda: uploads.event("a/batch.csv"))
    uploads.at(3 * HOUR + 1, lambda: end_all(uploads))
    uploads.run()
    assert to_mailboxes(uploads)[-2:] == [
        "batch.csv: 0 clips ready, 2 without a clip",
        "late.jpg: no clip",
    ]
    assert uploads.ledger_items("BATCH#", "unsettled") == []


def test_hundreds_of_rows_are_handled_in_one_run_and_told_in_one_mail() -> None:
    uploads = Uploads()
    rows = "".join(f"{number}.jpg,push-in {number}\n" for number in range(400))
    uploads.upload(0, "a/batch.csv", f"image,prompt\n{rows}".encode(), 1)
    uploads.upload(5, "a/7.jpg", PHOTO, 1)
    uploads.at(300, lambda: end_all(uploads))
    uploads.run()
    assert [order.prompt for order in uploads.orders] == ["push-in 7"]
    assert to_mailboxes(uploads) == ["batch.csv: 0 clips ready, 1 without a clip"]
    assert uploads.sns.published[-1].document["waiting"] == 399


def test_a_run_that_dies_among_the_rows_is_repeated_without_a_second_order() -> None:
    uploads = Uploads()
    drop_batch(uploads, b"image,prompt\none.jpg,a\ntwo.jpg,b\nthree.jpg,c\n")
    uploads.die_after(messages=2)
    uploads.at(400, lambda: uploads.event("a/batch.csv"))
    assert prompts(uploads) == ["a", "b", "c"]


class ClosedMeanwhile(Batches):
    """Somebody closes the batch while a result is left to it."""

    def leave(self, mail_id: str, name: str, now: datetime) -> None:
        self.close(name, now)


def test_a_result_that_comes_while_its_batch_is_closed_reaches_mailboxes() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/batch.csv", b"image,prompt\none.jpg,a\n", 1)
    uploads.upload(1, "a/one.jpg", PHOTO, 1)
    uploads.at(30, lambda: uploads.use_batches(ClosedMeanwhile))
    uploads.at(31, lambda: end_all(uploads))
    uploads.run()
    assert to_mailboxes(uploads)[0] == "one.jpg: no clip"


def test_a_dry_run_orders_nothing_and_says_once_what_it_would() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/photo.json", fields(prompt="a red car and a house", dry_run=True), 3)
    uploads.upload(1, "a/photo.jpg", PHOTO, 3)
    assert uploads.run() == []
    assert uploads.jobs == []
    assert uploads.mails == ["photo.jpg: dry run, about $0.15"]
    (mail,) = uploads.sns.published
    assert "Nothing was ordered." in mail.document["text"]
    assert "neither motion nor mood" in mail.document["text"]


def test_the_same_files_without_the_dry_run_are_ordered_once() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/photo.jpg", PHOTO, 1)
    uploads.upload(1, "a/photo.json", fields(prompt="push-in", dry_run="true", takes=2), 1)
    uploads.upload(100, "a/photo.json", fields(prompt="push-in", takes=2), 2)
    assert prompts(uploads) == ["push-in"] * 2
    assert uploads.mails[0] == "photo.jpg: dry run, about $0.30"


def test_a_dry_run_replaces_no_clip_that_waits_for_its_order() -> None:
    uploads = Uploads(line_s=300)
    uploads.upload(0, "a/photo.jpg", PHOTO, 1)
    uploads.upload(1, "a/photo.json", fields(prompt="push-in"), 1)
    uploads.upload(100, "a/photo.json", fields(prompt="orbit", dry_run=True), 1)
    assert prompts(uploads) == ["push-in"]
