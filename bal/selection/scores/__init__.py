"""Rules that look at one score per point."""
