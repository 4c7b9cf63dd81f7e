"""What Luma refuses with 400 at submit (providers.md 5.1, 5.4)."""

from __future__ import annotations

from collections.abc import Mapping

from local.simulators.params import (
    DURATIONS,
    MAX_PROMPT,
    RATIOS_NEW,
    RESOLUTIONS,
    Field,
    first_fault,
    loop_with_ten_seconds,
    unknown_field,
)

MODEL = "ray-3.2"
_MODELS = (MODEL, "uni-1", "uni-1-max")
_TOP = (
    Field("prompt", str, required=True, longest=MAX_PROMPT),
    Field("model", str, required=True),
    Field("type", str, required=True),
    Field("aspect_ratio", str, allowed=RATIOS_NEW, nullable=True),
    Field("user_id", str, nullable=True),
    Field("video", dict, nullable=True),
)
_VIDEO = (
    Field("resolution", str, allowed=("360p", *RESOLUTIONS), nullable=True),
    Field("duration", str, allowed=DURATIONS, nullable=True),
    Field("loop", bool, nullable=True),
    Field("hdr", bool, nullable=True),
    Field("exr_export", bool, nullable=True),
    Field("start_frame", dict, nullable=True),
    Field("end_frame", dict, nullable=True),
    Field("keyframes", list, nullable=True),
    Field("keyframe_indexes", list, nullable=True),
)
_REF = (
    Field("url", str),
    Field("data", str),
    Field("media_type", str),
    Field("generation_id", str),
    Field("file_id", str),
)
_SOURCES = ("url", "data", "generation_id", "file_id")
_MOST_KEYFRAMES = 64
_FPS = 24


def wrong(body: Mapping[str, object]) -> str | None:
    """The `detail` of a refusal, or None."""
    return _wrong_fields(body) or _wrong_model(body) or _wrong_video(_video(body))


def image_refs(body: Mapping[str, object]) -> list[tuple[str, dict[str, object]]]:
    """The images of a request, first the one the clip starts on, each with its place."""
    video = _video(body)
    found = [(f"video.{name}", video.get(name)) for name in ("start_frame", "end_frame")]
    frames = video.get("keyframes")
    if isinstance(frames, list):
        found += [(f"video.keyframes[{place}]", ref) for place, ref in enumerate(frames)]
    return [(where, ref) for where, ref in found if isinstance(ref, dict)]


def _video(body: Mapping[str, object]) -> dict[str, object]:
    video = body.get("video")
    return video if isinstance(video, dict) else {}


def _wrong_fields(body: Mapping[str, object]) -> str | None:
    video = _video(body)
    top = unknown_field(body, _TOP) or first_fault(body, _TOP)
    if top:
        return top.message
    nested = unknown_field(video, _VIDEO) or first_fault(video, _VIDEO)
    return f"video: {nested.message}" if nested else None


def _wrong_model(body: Mapping[str, object]) -> str | None:
    model, kind = body.get("model"), body.get("type")
    if model not in _MODELS:
        return f"Unknown model: {model}"
    if model != MODEL or kind != "video":
        return f"Type '{kind}' is not supported for model '{model}'"
    return None


def _wrong_video(video: Mapping[str, object]) -> str | None:
    refs = image_refs({"video": video})
    if not refs:
        # The real API makes a clip from text alone, which this product never asks for.
        return "video.start_frame or video.keyframes is required"
    for where, ref in refs:
        if problem := _wrong_ref(ref):
            return f"{where}: {problem}"
    return _wrong_keyframes(video) or _wrong_together(video)


def _wrong_ref(ref: Mapping[str, object]) -> str | None:
    found = unknown_field(ref, _REF) or first_fault(ref, _REF)
    if found:
        return found.message
    given = [name for name in _SOURCES if name in ref]
    if len(given) != 1:
        return "provide exactly one of 'url', 'data', 'generation_id', 'file_id'"
    if given == ["data"] and "media_type" not in ref:
        return "media_type is required with 'data'"
    if given[0] in ("generation_id", "file_id"):
        return f"{given[0]} not found"
    return None


def _wrong_keyframes(video: Mapping[str, object]) -> str | None:
    frames, indexes = video.get("keyframes") or [], video.get("keyframe_indexes") or []
    if not isinstance(frames, list) or not isinstance(indexes, list):
        return None
    last = _FPS * (10 if video.get("duration") == "10s" else 5)
    if len(frames) > _MOST_KEYFRAMES:
        return f"video.keyframes: at most {_MOST_KEYFRAMES}"
    if len(frames) != len(indexes) or len(set(map(str, indexes))) != len(indexes):
        return "video.keyframe_indexes must match keyframes in length and be unique"
    if not all(type(index) is int and 0 <= index <= last for index in indexes):
        return f"video.keyframe_indexes must be whole numbers from 0 to {last}"
    return None


def _wrong_together(video: Mapping[str, object]) -> str | None:
    long, loop = video.get("duration") == "10s", video.get("loop") is True
    hdr, frames = video.get("hdr") is True, bool(video.get("keyframes"))
    ends = bool(video.get("start_frame") or video.get("end_frame"))
    rules = (
        (loop_with_ten_seconds(video) is not None, "loop is not supported with duration '10s'"),
        (loop and (hdr or frames or bool(video.get("end_frame"))), "loop excludes hdr, end_frame"),
        (long and ends, "start_frame and end_frame are not supported with duration '10s'"),
        (frames and ends, "keyframes exclude start_frame and end_frame"),
        (hdr and video.get("resolution", "720p") not in ("720p", "1080p"), "hdr needs 720p"),
        (video.get("exr_export") is True and not hdr, "exr_export requires hdr"),
    )
    return next((f"video: {text}" for holds, text in rules if holds), None)
