from __future__ import annotations

from dropreel.mail.once import LEASE_S, SendOnce, Turn
from tests.support.aws import Aws


def test_ends_are_told_by_one_at_a_time_and_only_once(aws: Aws) -> None:
    one, other = SendOnce(aws.table), SendOnce(aws.table)
    assert one.begin("n", 1000) is Turn.OURS
    assert other.begin("n", 1010) is Turn.BUSY
    assert one.begin("n", 1020) is Turn.OURS
    assert not other.was_sent("n")
    one.end("n", "now")
    assert one.begin("n", 1030) is Turn.SENT
    assert other.begin("n", 9999) is Turn.SENT
    assert other.was_sent("n")


def test_who_dies_while_telling_is_replaced(aws: Aws) -> None:
    dead, other = SendOnce(aws.table), SendOnce(aws.table)
    assert dead.begin("n", 1000) is Turn.OURS
    assert other.begin("n", 999 + LEASE_S) is Turn.BUSY
    assert other.begin("n", 1001 + LEASE_S) is Turn.OURS
