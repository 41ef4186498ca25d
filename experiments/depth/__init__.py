"""Depth of scenes: which images to label, and whether uncertainty knows where the errors are."""
