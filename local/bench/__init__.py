"""Measurements of what dropreel promises."""
