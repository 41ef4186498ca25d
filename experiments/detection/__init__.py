"""Boxes of digits in scenes: which images to label."""
