"""Rules that cover a pool or its clusters."""
