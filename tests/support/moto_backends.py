"""What moto has behind its clients, and the addresses of its queues."""

from __future__ import annotations

from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID

QUEUES = f"https://sqs.us-east-1.amazonaws.com/{DEFAULT_ACCOUNT_ID}/"


def behind(backends: Any, place: str = "us-east-1") -> Any:
    """What moto has behind a client: resources are made faster there."""
    return backends[DEFAULT_ACCOUNT_ID][place]
