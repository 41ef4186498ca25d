"""Steps that run before the site is built, and what they write goes to ``docs/generated``, which git ignores."""
