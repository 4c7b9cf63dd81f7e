"""The pages of a deployed stack, as people see them: links to them, and their pictures."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from pathlib import Path

from aws_lambda_powertools.utilities.parameters import SecretsProvider

from dropreel.pages.links import PageKey, PageLinks
from local.browser import DESKTOP, Browser, BrowserError, Screen
from local.embedded_aws import Endpoint

# That all clips of a page have begun to play, and nothing is left to load.
PLAYING = "[...document.querySelectorAll('video')].every(one => one.error || one.currentTime > 0.4)"


def links_of(aws: Endpoint, outputs: Mapping[str, str]) -> PageLinks:
    """Makes links as the stack itself does, for images and folders that no mail is about."""
    secrets = SecretsProvider(boto3_client=aws.client("secretsmanager"))
    key = PageKey(secrets, outputs["PageKeySecretArn"])
    return PageLinks(key=key, base_url=outputs["PagesUrl"], days=1)


def opens(link: str) -> bool:
    """Whether a link opens its page just as it stands."""
    try:
        with urllib.request.urlopen(link, timeout=30) as answer:  # noqa: S310 - a link of the stack
            return b"<video" in answer.read()
    except OSError:
        return False


def picture(link: str, target: Path, screen: Screen = DESKTOP) -> str:
    """Save what a page looks like once its clips play. Returns why there is none, or nothing."""
    try:
        with Browser() as browser:
            tab = browser.open(link, screen)
            tab.wait_for(PLAYING)
            tab.picture(target)
    except BrowserError as error:
        return f"no picture of the page: {error}"
    return ""
