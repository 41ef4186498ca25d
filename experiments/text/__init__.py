"""Texts under a Bayesian head: on frozen features, or on token ids."""
