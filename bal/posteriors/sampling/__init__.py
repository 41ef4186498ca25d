"""Posteriors whose draws are those of a sampler: stochastic-gradient MCMC, and draws from elsewhere."""
