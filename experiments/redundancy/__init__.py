"""What batch rules are for: a pool in which every point has copies."""
