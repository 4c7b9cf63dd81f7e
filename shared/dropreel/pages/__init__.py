"""Pages that anyone may open who has their link: one clip, all clips of an image, a folder."""
