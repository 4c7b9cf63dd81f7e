"""A mail is sent once: by one sender at a time, and never again after that."""

from __future__ import annotations

import pytest

from dropreel.mail.once import LEASE_S, SendOnce, Turn
from tests.support.aws import Aws

pytestmark = pytest.mark.on_moto


def test_a_mail_is_sent_by_one_sender_at_a_time_and_only_once(aws: Aws) -> None:
    one, other = SendOnce(aws.table), SendOnce(aws.table)
    assert one.begin("n", 1000) is Turn.OURS
    assert other.begin("n", 1010) is Turn.BUSY
    assert one.begin("n", 1020) is Turn.OURS
    assert not other.was_sent("n")
    one.end("n", "2026-11-20T09:30:00.000Z")
    assert one.begin("n", 1030) is Turn.SENT
    assert other.begin("n", 9999) is Turn.SENT
    assert other.was_sent("n")


def test_a_sender_that_dies_is_replaced_after_its_lease(aws: Aws) -> None:
    dead, other = SendOnce(aws.table), SendOnce(aws.table)
    assert dead.begin("n", 1000) is Turn.OURS
    assert other.begin("n", 999 + LEASE_S) is Turn.BUSY
    assert other.begin("n", 1001 + LEASE_S) is Turn.OURS
