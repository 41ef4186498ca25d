"""Figures that compare strategies: over paired seeds, over data sets, and their intervals and tests.

Tables of runs come from :func:`curves`; :func:`areas` makes one number of each run. Any strategy can be the baseline.
"""

from bal.studies.statistics._comparisons import Pairwise, paired_differences, pairwise_tests
from bal.studies.statistics._curves import area_differences, areas, curves, normalised_area
from bal.studies.statistics._improvement import probability_of_improvement
from bal.studies.statistics._intervals import (
    Interval,
    bootstrap_interval,
    interquartile_mean,
    mean_and_interval,
    mean_of_all,
)
from bal.studies.statistics._labels import Survival, kaplan_meier, labels_to, labels_to_target
from bal.studies.statistics._penalties import penalty_matrix
from bal.studies.statistics._profiles import performance_profile
from bal.studies.statistics._ranks import RankSummary, compare_ranks, critical_difference, rank_table
from bal.studies.statistics._savings import label_savings
from bal.studies.statistics._signed_rank import holm, signed_rank_p_value
from bal.studies.statistics._sources import variance_shares

__all__ = [
    "Interval",
    "Pairwise",
    "RankSummary",
    "Survival",
    "area_differences",
    "areas",
    "bootstrap_interval",
    "compare_ranks",
    "critical_difference",
    "curves",
    "holm",
    "interquartile_mean",
    "kaplan_meier",
    "label_savings",
    "labels_to",
    "labels_to_target",
    "mean_and_interval",
    "mean_of_all",
    "normalised_area",
    "paired_differences",
    "pairwise_tests",
    "penalty_matrix",
    "performance_profile",
    "probability_of_improvement",
    "rank_table",
    "signed_rank_p_value",
    "variance_shares",
]
