"""Posteriors over neural networks: ensembles, dropout, and Gaussians around trained weights."""
