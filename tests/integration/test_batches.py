"""Rows of a table, each an image with its fields; one mail when all have ended."""

from __future__ import annotations

from datetime import datetime

import pytest

from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import ClipInfo, State, utc_iso
from dropreel.ledger.batches import Batches
from tests.support.uploads import (
    GRACE_S,
    HOUR,
    PHOTO,
    SETTLE_S,
    Uploads,
    by_image,
    fields,
    prompts,
)

TABLE = b"""\
image,prompt,duration
one.jpg,"push-in, slowly",10
two.jpg,pull-out,7s
three.jpg,orbit,
"""


def drop_batch(uploads: Uploads, table: bytes = TABLE, name: str = "batch.csv") -> None:
    for number, image in enumerate(("one", "two", "three")):
        uploads.upload(number, f"a/{image}.jpg", PHOTO, 1)
    uploads.upload(5, f"a/{name}", table, 1)


def test_good_rows_of_a_batch_go_on_and_wrong_ones_come_in_one_mail_with_their_numbers() -> None:
    uploads = Uploads()
    drop_batch(uploads)
    assert prompts(uploads) == ["orbit", "push-in, slowly"]
    rejected = [mail for mail in uploads.sns.published if mail.outcome == "rejected"]
    (mail,) = rejected
    (problem,) = mail.document["problems"]
    assert (problem["field"], problem["found"]) == ("row 3, duration", '"7s"')
    assert "the other rows are not affected" in mail.text


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


def test_changed_defaults_change_no_row_that_comes_again_as_it_was() -> None:
    uploads = Uploads()
    table = b"image,prompt\none.jpg,a\ntwo.jpg,b\nthree.jpg,c\n"
    drop_batch(uploads, table)
    uploads.at(300, lambda: deliver_all(uploads))
    uploads.upload(HOUR, "a/defaults.json", fields(resolution="720p"), 1)
    uploads.upload(2 * HOUR, "a/batch.csv", table.replace(b",b", b",new"), 1)
    assert prompts(uploads) == ["a", "b", "c", "new"]
    assert [job.settings.resolution for job in uploads.jobs] == [*["540p"] * 3, "720p"]


def test_a_row_that_comes_again_as_it_was_does_not_settle() -> None:
    uploads = Uploads()
    table = b"image,prompt\none.jpg,a\n"
    drop_batch(uploads, table)
    uploads.at(300, lambda: end_all(uploads))
    uploads.upload(2 * HOUR, "a/batch.csv", table, 1)
    _, again = (order.at for order in uploads.run())
    assert again < 2 * HOUR + SETTLE_S


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


def test_a_sidecar_that_comes_later_beside_a_wrong_row_is_mailed_about() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/one.jpg", PHOTO, 1)
    uploads.upload(0, "a/batch.csv", b"image,prompt,duration\none.jpg,row,7\n", 1)
    uploads.upload(GRACE_S + HOUR, "a/one.json", fields(prompt="own", duration=5), 1)
    assert prompts(uploads) == []
    about_batch, about_image = uploads.sns.published
    assert about_batch.document["file"] == "a/batch.csv"
    assert about_image.document["file"] == "a/one.jpg"
    assert [one["field"] for one in about_image.document["problems"]] == [
        "batch.csv, row 2, duration"
    ]


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


def end_all(uploads: Uploads) -> None:
    """Every order fails, unbilled, and people are told."""
    for job in {job.job_id: job for job in uploads.jobs}.values():
        if job.state is State.SUBMITTED:
            failure = JobFailure(FailureKind.MODERATED, "no", billed=False)
            uploads.ledger.move(job, State.FAILED, failure=failure)
            uploads.finalize(uploads.ledger.require(job.job_id))


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


def test_rows_with_several_takes_are_told_in_the_mail_about_the_batch() -> None:
    uploads = Uploads()
    drop_batch(uploads, b"image,prompt,takes\none.jpg,a,2\ntwo.jpg,b,\n")
    uploads.at(300, lambda: end_all(uploads))
    uploads.run()
    (mail,) = [mail for mail in uploads.sns.published if mail.outcome == "digest"]
    assert mail.document["subject"] == "batch.csv: 0 clips ready, 3 without a clip"
    assert mail.text.count("- one.jpg: failed.") == 2


def test_rows_that_are_dry_runs_are_not_said_to_be_unusable() -> None:
    uploads = Uploads()
    drop_batch(uploads, b"image,prompt,dry_run\none.jpg,a,true\ntwo.jpg,b,\nthree.jpg,c,\n")
    uploads.at(300, lambda: end_all(uploads))
    uploads.run()
    assert to_mailboxes(uploads)[0] == "one.jpg: dry run, about $0.15"
    mail = uploads.sns.published[-1]
    assert mail.document["subject"] == "batch.csv: 0 clips ready, 2 without a clip"
    assert "1 dry run: another mail says what it would cost." in mail.text
    assert "could not be used" not in mail.text


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
