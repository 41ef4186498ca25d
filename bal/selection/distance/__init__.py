"""Rules that choose points far from one another, in the distance of a kernel."""
