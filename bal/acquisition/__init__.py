"""How useful is one point? Predictions in, one score for each point out; higher is more useful.

Plain functions of arrays: they take predictions from anywhere, need no key and see no label.
"""

from bal.acquisition._disagreement import bald, mean_std, variation_ratio
from bal.acquisition._predictive import least_confidence, margin, max_entropy

SCORES = {
    "bald": bald,
    "least_confidence": least_confidence,
    "margin": margin,
    "max_entropy": max_entropy,
    "mean_std": mean_std,
    "variation_ratio": variation_ratio,
}

__all__ = ["SCORES", "bald", "least_confidence", "margin", "max_entropy", "mean_std", "variation_ratio"]
