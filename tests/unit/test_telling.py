from __future__ import annotations

from dropreel.telling import Telling
from tests.unit.support import Aws


def test_ends_are_told_by_one_at_a_time_and_only_once(aws: Aws) -> None:
    assert aws.notices.begin("n", "one", 1000) is Telling.MINE
    assert aws.notices.begin("n", "other", 1010) is Telling.BUSY
    assert aws.notices.begin("n", "one", 1020) is Telling.MINE
    aws.notices.end("n", "now")
    assert aws.notices.begin("n", "one", 1030) is Telling.TOLD
    assert aws.notices.begin("n", "other", 9999) is Telling.TOLD


def test_who_dies_while_telling_is_replaced(aws: Aws) -> None:
    assert aws.notices.begin("n", "dead", 1000) is Telling.MINE
    assert aws.notices.begin("n", "other", 1119) is Telling.BUSY
    assert aws.notices.begin("n", "other", 1121) is Telling.MINE
