"""The record beside the clip: all facts, and nothing that opens anything."""

from __future__ import annotations

import hashlib
import json

from dropreel.jobs.job import ClipSettings, State
from tests.support.stage import (
    CLIP_KEY,
    READY,
    RECORD_KEY,
    Stage,
    execution_of,
    linking,
    texts,
)


def test_the_record_holds_no_link(stage: Stage) -> None:
    stage.step = linking(stage)
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY]
    stage.finish(job)
    assert "pages.example" not in json.dumps(stage.aws.read_json(RECORD_KEY))


def test_the_record_holds_source_settings_clip_attempts_and_cost(stage: Stage, clip: bytes) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY]
    stage.finish(job, polls=7)
    record = stage.aws.read_json(RECORD_KEY)
    assert record == {
        "job_id": job.job_id,
        "state": "delivered",
        "run": 1,
        "source": {
            "bucket": "inbox",
            "key": "campaign/photo.jpg",
            "etag": '"e"',
            "media_type": "image/jpeg",
            "width": 1600,
            "height": 900,
            "pinned_key": "sources/0123456789abcdef01234567.jpg",
            "sha256": "5e" * 32,
        },
        "settings": {
            "prompt": "slow push-in",
            "aspect_ratio": "16:9",
            "resolution": "540p",
            "duration": "5s",
            "loop": False,
            "reference_image_urls": [],
            "take": 1,
        },
        "clip": f"s3://clips/{CLIP_KEY}",
        "video": {
            "duration_s": 5,
            "width": 960,
            "height": 540,
            "size": len(clip),
            "sha256": hashlib.sha256(clip).hexdigest(),
        },
        "provider": "luma",
        "provider_job_id": "p-1",
        "labels": [],
        "origins": {},
        "references": {},
        "attempts": [
            {
                "provider": "luma",
                "asked_at": "2026-11-20T09:30:00.000Z",
                "run": 1,
                "estimate_usd": "0.15",
                "provider_job_id": "p-1",
                "outcome": "delivered",
                "ended_at": "2026-11-20T09:30:00.000Z",
                "cost_usd": "0.19",
                "reason": "",
            }
        ],
        "unconfirmed": [],
        "remark": "",
        "advice": [],
        "estimate_usd": "0.15",
        "cost_usd": "0.19",
        "failure": None,
        "dropped_at": "2026-11-20T09:29:00.000Z",
        "created_at": "2026-11-20T09:30:00.000Z",
        "asked_at": "2026-11-20T09:30:00.000Z",
        "delivered_at": "2026-11-20T09:30:00.000Z",
        "recorded_at": "2026-11-20T09:30:00.000Z",
        "polls": 7,
        "execution": execution_of(job),
    }


def test_no_signed_url_is_recorded_or_mailed(stage: Stage) -> None:
    references = ("https://pictures.example/a.png?token=0p3n", "https://pictures.example/b.png")
    settings = ClipSettings("push", "16:9", "540p", "5s", reference_image_urls=references)
    job = stage.job(State.READY, settings=settings)
    stage.provider.status_answers = [READY]
    stage.finish(job)
    record = stage.aws.read_json(RECORD_KEY)
    ((mail,), _) = stage.mails()
    for secret in ("5ec2e7", "0p3n", "k3y-of-luma", "127.0.0.1"):
        assert secret not in json.dumps([record, mail])
    del mail["text"]  # links to the console, where people have to sign in
    found = [*texts(record), *texts(mail)]
    assert [text for text in found if "://" in text and "?" in text] == []
    assert record["settings"]["reference_image_urls"] == [
        "https://pictures.example/a.png",
        "https://pictures.example/b.png",
    ]
