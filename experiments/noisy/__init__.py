"""Wrong labels: what they cost, and what asking again for suspicious ones recovers."""
