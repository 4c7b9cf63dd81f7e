"""Several takes of one image on the real stack: ordered together, told in one mail."""

from __future__ import annotations

import urllib.request

from tests.conftest import EVENTS
from tests.e2e.world import World

KEY = "takes/lighthouse.jpg"
MARK = "takes: slow push-in"


def test_takes_have_one_mail_with_a_link_to_the_page_that_compares_them(world: World) -> None:
    image = (EVENTS / "lighthouse.jpg").read_bytes()
    entries = [{}, {"provider": "fal"}, {"prompt": f"{MARK} [sim: end=moderated]"}]
    world.drop(KEY, image, prompt=MARK, provider="luma", takes=entries)
    mail = world.mail_about(KEY)
    takes = mail.document["takes"]
    assert mail.subject == "lighthouse.jpg: 2 of 3 clips ready"
    assert [take["outcome"] for take in takes] == ["delivered", "delivered", "failed"]
    assert [take["provider"] for take in takes] == ["luma", "fal", "luma"]
    assert all(world.read(take["clip"]) for take in takes[:2])
    assert len(world.ordered(MARK)) == 3
    with urllib.request.urlopen(mail.document["page"], timeout=30) as answer:  # noqa: S310
        page = answer.read().decode()
    assert page.count("<video") == 2
    assert [one.document["outcome"] for one in world.postman.about(KEY)] == ["group"]
