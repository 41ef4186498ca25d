"""Batch strategies for regression on several tables."""
