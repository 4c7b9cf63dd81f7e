from __future__ import annotations

from dropreel.mail.once import LEASE_S, Notices, Telling
from tests.unit.support import Aws


def test_ends_are_told_by_one_at_a_time_and_only_once(aws: Aws) -> None:
    one, other = Notices(aws.table), Notices(aws.table)
    assert one.begin("n", 1000) is Telling.MINE
    assert other.begin("n", 1010) is Telling.BUSY
    assert one.begin("n", 1020) is Telling.MINE
    assert not other.told("n")
    one.end("n", "now")
    assert one.begin("n", 1030) is Telling.TOLD
    assert other.begin("n", 9999) is Telling.TOLD
    assert other.told("n")


def test_who_dies_while_telling_is_replaced(aws: Aws) -> None:
    dead, other = Notices(aws.table), Notices(aws.table)
    assert dead.begin("n", 1000) is Telling.MINE
    assert other.begin("n", 999 + LEASE_S) is Telling.BUSY
    assert other.begin("n", 1001 + LEASE_S) is Telling.MINE
