"""fal queue: submit, status and result are three addresses, and COMPLETED means only ended.

Source: fal queue, model errors, request errors and common parameters docs, and the schema of
luma/agent/ray/v3.2/image-to-video, 2026-11. A failed job shows as COMPLETED with `error_type`,
or as a 4xx of the result with fal's own error. 5xx is not billed, 422 may be. A 5xx of the result
is a failed call: one of a gateway reads the same as one of the job.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import httpx

from dropreel.jobs.failure import FailureKind
from dropreel.providers import parse
from dropreel.providers.base import (
    NO_ADDRESSES,
    Accepted,
    Access,
    Addresses,
    Busy,
    CancelOutcome,
    ClipRequest,
    Failed,
    Failure,
    Inputs,
    KeySource,
    Phase,
    Ready,
    Refused,
    StatusOutcome,
    SubmitOutcome,
)
from dropreel.providers.classify import (
    access_outcome,
    cancel_outcome,
    key_outcome,
    no_answer,
    pending_outcome,
    refused_unsent,
    status_row,
    submit_outcome,
    unread,
    without_clip,
)
from dropreel.providers.client import LIST_CAP, Answer, Api, Reply
from dropreel.providers.config import ApiAddress, Options
from dropreel.providers.fal_errors import (
    NOT_ENDED,
    error_type,
    error_types,
    failure_of,
    status_failure,
)
from dropreel.providers.schema import read_inputs, same_names
from dropreel.providers.search import Search, field_of, iso_time, rows_of
from dropreel.providers.verdicts import Call, Sign, Verdict, verdict_of

# The addresses in the answer to an order, and how they end where they are made by hand.
_STATUS, _RESPONSE, _CANCEL = "status_url", "response_url", "cancel_url"
_PATHS = {_STATUS: ("status",), _RESPONSE: (), _CANCEL: ("cancel",)}

_HISTORY = ("v1", "models", "requests", "by-endpoint")
_NO_REQUEST = "00000000-0000-0000-0000-000000000000"
_NO_LIST = "it may not list requests, so lost orders cannot be found without a person"
_SENT = same_names("loop", "keyframes", "keyframe_indexes")
_KNOWN = frozenset({"end_image_url", "hdr", "exr_export"})

PHASES = {"IN_QUEUE": Phase.QUEUED, "IN_PROGRESS": Phase.RUNNING}


def _key_headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Key {key}"}


class FalOptions(Options):
    """`result_lifetime_s` is how long fal keeps the clip (None: its own default);
    `server_retries` lets fal's queue retry on its side, which is not billed; `api_base_url` is
    the platform API, where past requests are listed."""

    base_url: ApiAddress = "https://queue.fal.run"
    api_base_url: ApiAddress = "https://api.fal.ai"
    endpoint: str = "luma/agent/ray/v3.2/image-to-video"
    result_lifetime_s: int | None = 604800
    server_retries: bool = True


class Fal:
    """Adapter for the fal queue."""

    name = "fal"
    options_model = FalOptions

    def __init__(self, options: FalOptions, keys: KeySource, http: httpx.Client) -> None:
        self._options = options
        self._endpoint = options.endpoint.strip("/").split("/")
        # After submit the queue knows an app by its first two segments only.
        self._app = self._endpoint[:2]
        self._queue = Api(self.name, options.base_url, _key_headers, keys, http)
        self._platform = Api(self.name, options.api_base_url, _key_headers, keys, http)

    def check_key(self) -> Refused | Busy | None:
        return key_outcome(self._queue.key_fault())

    def submit(self, request: ClipRequest) -> SubmitOutcome:
        if request.reference_image_urls:
            return refused_unsent("fal takes no reference images beside a start image")
        if request.loop and request.duration != "5s":
            return refused_unsent("fal loops 5s clips only")
        reply = self._queue.call(
            "POST", *self._endpoint, body=_body(request), headers=self._preferences()
        )
        outcome = submit_outcome(
            reply,
            lambda data: parse.at(data, "request_id"),
            target=f"endpoint {self._options.endpoint}",
            failure_of=failure_of,
        )
        if isinstance(outcome, Accepted) and isinstance(reply, Answer):
            return replace(outcome, addresses=self._addresses_in(reply))
        return outcome

    def status(self, provider_job_id: str, addresses: Addresses = NO_ADDRESSES, /) -> StatusOutcome:
        found = status_row(self._ask("GET", _STATUS, provider_job_id, addresses), "status")
        if not isinstance(found, tuple):
            return found
        answer, row, status = found
        if status != "COMPLETED":
            return pending_outcome(answer, status, PHASES)
        if row.get("error") or row.get("error_type"):
            return Failed(status_failure(answer, row))
        return _result(self._ask("GET", _RESPONSE, provider_job_id, addresses), status)

    def cancel(self, provider_job_id: str, addresses: Addresses = NO_ADDRESSES, /) -> CancelOutcome:
        reply = self._ask("PUT", _CANCEL, provider_job_id, addresses)
        if isinstance(reply, Answer):
            status = parse.at(reply.data, "status")
            refused = reply.ok and parse.at(reply.data, "success") is False
            if refused or (reply.status == 400 and status == "ALREADY_COMPLETED"):
                return CancelOutcome.TOO_LATE
        return cancel_outcome(reply)

    def find_orders(
        self, request: ClipRequest, since: datetime, until: datetime
    ) -> list[str] | None:
        return self._listed(Search(request, since, until))

    def list_orders(self, since: datetime, until: datetime) -> list[str] | None:
        return self._listed(Search(None, since, until))

    def _listed(self, search: Search) -> list[str] | None:
        wanted = self._history_of(search)
        for _ in search.pages():
            reply = self._platform.call("GET", *_HISTORY, params=wanted, cap=LIST_CAP)
            rows = rows_of(reply)
            if rows is None:
                break
            for row in rows:
                _check(row, search)
            more, cursor = field_of(reply, "has_more"), parse.text(field_of(reply, "next_cursor"))
            at_end = more is False or (not cursor and more is not True)
            if at_end or search.is_past([parse.at(row, "sent_at") for row in rows]):
                return search.ids()
            if not cursor or cursor == wanted.get("cursor"):
                break
            wanted = {**wanted, "cursor": cursor}
        search.mark_incomplete()
        return search.ids()

    def access(self) -> Access:
        """fal answers 401 to a wrong key, and something else of a request that there is not.
        Only some keys may list requests."""
        reply = self._queue.call("GET", *self._app, "requests", _NO_REQUEST, "status")
        known = isinstance(reply, Answer) and reply.status in (400, 404, 422)
        found = Access(accepted=True) if known else access_outcome(reply)
        if not found.accepted:
            return found
        lists = {"endpoint_id": self._options.endpoint.strip("/"), "limit": "1"}
        listed = access_outcome(self._platform.call("GET", *_HISTORY, params=lists))
        return replace(found, lacks=_NO_LIST if listed.accepted is False else "")

    def inputs(self) -> Inputs | Failure:
        wanted = {"endpoint_id": self._options.endpoint.strip("/"), "expand": "openapi-3.0"}
        reply = self._platform.call("GET", "v1", "models", params=wanted, cap=LIST_CAP)
        if not isinstance(reply, Answer) or not reply.ok:
            return unread(reply)
        if parse.at(reply.data, "models") == []:
            unknown = f"endpoint {self._options.endpoint} is not known there"
            return Failure(FailureKind.NO_MODEL, unknown)
        model = parse.at(reply.data, "models", 0)
        document = parse.at(model, "openapi")
        operation = parse.at(document, "paths", f"/{self._options.endpoint.strip('/')}", "post")
        schema = parse.at(operation, "requestBody", "content", "application/json", "schema")
        retired = parse.at(model, "metadata", "status") == "deprecated"
        return read_inputs(schema, _SENT, _KNOWN, document=document, retired=retired)

    def _history_of(self, search: Search) -> dict[str, str]:
        """Without `end`: whether it bounds the sending or the ending of a request is not
        documented."""
        return {
            "endpoint_id": self._options.endpoint.strip("/"),
            "start": iso_time(search.since),
            "expand": "payloads",
            "limit": "100",
        }

    def _addresses_in(self, answer: Answer) -> Addresses:
        """Those in the answer to an order that the key may be sent to."""
        found = {name: parse.text(parse.at(answer.data, name)) for name in _PATHS}
        return {name: url for name, url in found.items() if self._queue.segments_of(url)}

    def _ask(self, method: str, name: str, provider_job_id: str, addresses: Addresses) -> Reply:
        """At the address that fal has named; for an order without one, at both that its pages
        show."""
        given = self._queue.segments_of(addresses.get(name))
        if given:
            return self._queue.call(method, *given)
        by_hand = ("requests", provider_job_id, *_PATHS[name])
        reply = self._queue.call(method, *self._app, *by_hand)
        unknown = isinstance(reply, Answer) and reply.status == 404
        return self._queue.call(method, *self._endpoint, *by_hand) if unknown else reply

    def _preferences(self) -> dict[str, str]:
        headers = {}
        if self._options.result_lifetime_s is not None:
            lifetime = {"expiration_duration_seconds": self._options.result_lifetime_s}
            headers["X-Fal-Object-Lifecycle-Preference"] = json.dumps(lifetime)
        if not self._options.server_retries:
            headers["X-Fal-No-Retry"] = "1"
        return headers


def _body(request: ClipRequest) -> dict[str, object]:
    body: dict[str, object] = {
        "prompt": request.prompt,
        "aspect_ratio": request.aspect_ratio,
        "resolution": request.resolution,
        "duration": request.duration,
    }
    if request.duration == "5s":
        body["image_url"] = request.image_url
    else:
        # 10s is for keyframes only; one keyframe at 0 is the same as a start image.
        body |= {"keyframes": [request.image_url], "keyframe_indexes": [0]}
    if request.loop:
        body["loop"] = True
    return body


def _check(row: object, search: Search) -> None:
    sent = parse.at(row, "json_input")
    image = parse.at(sent, "image_url") or parse.at(sent, "keyframes")
    listed_id, created = parse.at(row, "request_id"), parse.at(row, "sent_at")
    search.check(listed_id, created, parse.at(sent, "prompt"), image)


def _result(reply: Reply, word: str) -> StatusOutcome:
    """Judge the result of a job that has ended: the clip, or the job's own error status."""
    if not isinstance(reply, Answer):
        return no_answer(reply)
    address = parse.url(parse.at(reply.data, "video", "url"))
    match verdict_of(Call.RESULT, reply.status, _result_sign(reply, address)):
        case Verdict.READY if address:
            return Ready(address)
        case Verdict.WITHOUT_CLIP:
            return without_clip(reply, word)
        case Verdict.FAILED:
            return Failed(failure_of(reply))
        case _:
            return no_answer(reply)


def _result_sign(answer: Answer, address: str | None) -> Sign:
    """What a result shows. A type makes an error fal's own; in a header it needs a body of fal."""
    if answer.ok:
        return Sign.CLIP if address else Sign.NOTHING if answer.data is None else Sign.NO_CLIP
    type_ = error_type(answer)
    own = type_ and (error_types(answer) or parse.at(answer.data, "detail"))
    passing = type_ == "concurrent_requests_limit" or NOT_ENDED.search(answer.message)
    return Sign.FAILED if own and not passing else Sign.NOTHING
