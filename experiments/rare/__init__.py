"""Rare classes: how many labels until the positives of a pool are found, and until a model knows them."""
