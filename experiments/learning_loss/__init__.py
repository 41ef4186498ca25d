"""Learning loss against random, entropy, core-set, and acquiring by the true loss."""
