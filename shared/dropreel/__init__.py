"""dropreel: an image and a prompt dropped into a bucket become a video clip and a mail."""

import gc

__version__ = "0.2.0"

# What is imported stays, so searching it for garbage every 700 objects only slows the start down.
gc.set_threshold(100_000)
