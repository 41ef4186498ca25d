"""Posteriors whose draws come from a sampler: stochastic-gradient MCMC, and given draws."""
