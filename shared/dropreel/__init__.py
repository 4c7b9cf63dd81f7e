"""dropreel: an image and a prompt dropped into a bucket become a video clip and a mail."""

import gc

# What is imported stays. To look for garbage among it every 700 objects takes an eighth of a start.
gc.set_threshold(100_000)
