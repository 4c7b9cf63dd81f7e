"""AWS clients whose calls go through the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError, ReadTimeoutError

from local.faults.faults import Kind, Moment
from local.faults.wire import Wire

_UNSEEN = frozenset({"exceptions", "meta", "generate_presigned_url"})  # these call nobody


class Tap:
    """A client whose calls go through the wire, named `<service>.<call>`."""

    def __init__(self, client: Any, service: str, wire: Wire) -> None:
        self._client = client
        self._service = service
        self._wire = wire

    def __getattr__(self, name: str) -> Any:
        if name in _UNSEEN:
            return getattr(self._client, name)
        method = getattr(self._client, name)
        label = f"{self._service}.{name}"

        def call(**request: Any) -> Any:
            if name == "transact_write_items":  # boto3 does so, once for all of its own retries
                request["ClientRequestToken"] = str(uuid4())
            self._wire.tell(label, request)
            return self._wire.call(label, lambda: method(**request), _AWS)

        return call

    def upload_fileobj(self, **given: Any) -> None:
        """As boto3 does it with a small file: reads it to its end, then sends it in one call."""
        place = {name: given[name] for name in ("Bucket", "Key")}
        self.put_object(**place, Body=given["Fileobj"].read(), **given["ExtraArgs"])

    def get_paginator(self, name: str) -> _Pages:
        return _Pages(getattr(self, name))


@dataclass(frozen=True, slots=True)
class _Pages:
    """All pages of a list, which here is one."""

    call: Callable[..., Any]

    def paginate(self, **request: Any) -> Iterator[Any]:
        yield self.call(**request)


class _AwsSpoiler:
    """No answer that boto3 could do anything with, after its own retries."""

    def error(self, kind: Kind, moment: Moment) -> Exception:  # noqa: ARG002
        if moment is Moment.BEFORE:
            response: Any = {"Error": {"Code": "InternalServerError", "Message": "try later"}}
            return ClientError(response, "made-up")
        return ReadTimeoutError(endpoint_url="https://aws.example")

    def spoilt(self, kind: Kind, answer: Any) -> Any:  # noqa: ARG002
        raise ValueError(f"no plan has {kind} for a call of AWS: boto3 would not let it through")


_AWS = _AwsSpoiler()
