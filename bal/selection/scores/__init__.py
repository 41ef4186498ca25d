"""Rules that look at one score a point."""
