"""Posteriors of probabilistic programs, written in numpyro."""
