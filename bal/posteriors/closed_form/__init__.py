"""Posteriors with an exact predictive distribution: Gaussian processes and Bayesian linear regression."""
