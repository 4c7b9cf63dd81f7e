"""Addresses of clips and pictures for one visit of a page."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from dropreel.clips.bucket import ClipsBucket, thumbnail_key
from dropreel.jobs.job import Job
from dropreel.jobs.naming import content_disposition

_SECONDS = 3600  # as long as somebody may look at one page; the next visit gets new addresses


@dataclass(frozen=True, slots=True)
class Media:
    """Presigned addresses, all of one origin."""

    clips: ClipsBucket

    def clip(self, job: Job) -> str:
        return self.clips.page_url(job.clip_key, _SECONDS)

    def download(self, job: Job) -> str:
        """The same file, which the browser saves under the image's name."""
        disposition = content_disposition("attachment", job.clip_name)
        return self.clips.page_url(job.clip_key, _SECONDS, disposition)

    def still(self, job: Job) -> str:
        """The image itself. It is the clip's first frame, so the clip begins without a flash."""
        return self.clips.page_url(job.source.pinned_key, _SECONDS)

    def thumbnail(self, job: Job) -> str:
        return self.clips.page_url(thumbnail_key(job.job_id), _SECONDS)

    @property
    def origin(self) -> str:
        address = urlsplit(self.clips.page_url("clips/", _SECONDS))
        return f"{address.scheme}://{address.netloc}"
