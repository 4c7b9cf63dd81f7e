"""The values to choose from, in the model's own words."""

from __future__ import annotations

from typing import Literal

AspectRatio = Literal[
    "3:1", "2:1", "21:9", "16:9", "4:3", "3:2", "1:1", "3:4", "2:3", "9:16", "1:2", "1:3"
]
Resolution = Literal["540p", "720p", "1080p"]
Duration = Literal["5s", "10s"]
