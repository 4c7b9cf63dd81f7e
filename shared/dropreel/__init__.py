"""dropreel: an image and a prompt dropped into a bucket become a video clip and a mail."""
