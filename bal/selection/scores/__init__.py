"""Rules that use one score per point."""
