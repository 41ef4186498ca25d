"""Gal, Islam and Ghahramani 2017, Deep Bayesian active learning with image data, arXiv:1703.02910."""

from experiments.reproductions.paper import Claim, Paper, Published

STRATEGIES = ("random", "bald", "variation_ratio", "max_entropy", "mean_std")

PAPER = Paper(
    title="Gal et al. 2017: MNIST, a CNN with MC dropout, and the same network without dropout at test time",
    protocol={
        "dataset": "mnist",
        "network": "cnn_gal",
        "strategies": STRATEGIES,
        "num_samples": 100,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "weight_decay": 2.5,
        "num_epochs": 50,
        "minibatch_size": 128,
        "num_initial": 20,
        "initial_set": "balanced",
        "batch_size": 10,
        "num_rounds": 99,
        "pool_subset_size": 2000,
        "num_seeds": 3,
    },
    variants={
        "Bayesian": {},
        "deterministic": {
            "posterior": "point_estimate",
            "num_samples": None,
            # The paper's variation ratio, 1 - max p, of one prediction; votes would all agree.
            "strategies": ("random", "least_confidence", "max_entropy"),
        },
    },
    small={"dataset": "mnist_5k", "num_rounds": 14, "num_samples": 50, "pool_subset_size": 1000},
    claims=(
        *(Claim(("Bayesian", name), ("Bayesian", "random")) for name in STRATEGIES[1:]),
        Claim(("Bayesian", "variation_ratio"), ("deterministic", "least_confidence")),
        Claim(("Bayesian", "max_entropy"), ("deterministic", "max_entropy")),
    ),
    published=(
        Published(
            "the paper, table 2",
            "Bayesian",
            {
                "random": {1000: 0.953},
                "bald": {1000: 0.982},
                "max_entropy": {1000: 0.983},
                "variation_ratio": {1000: 0.984},
            },
        ),
        Published(
            "jonasvj, MSc thesis, ten seeds",
            "Bayesian",
            {
                "random": {20: 0.596, 100: 0.787, 200: 0.857, 300: 0.894, 500: 0.923, 1000: 0.954},
                "bald": {20: 0.596, 100: 0.739, 200: 0.847, 300: 0.898, 500: 0.954, 1000: 0.979},
                "max_entropy": {20: 0.596, 100: 0.717, 200: 0.854, 300: 0.913, 500: 0.949, 1000: 0.979},
            },
        ),
        Published(
            "iloveudl/miniproject, three seeds",
            "Bayesian",
            {
                "bald": {20: 0.587, 100: 0.750, 200: 0.865, 300: 0.893, 500: 0.952, 1000: 0.980},
                "variation_ratio": {20: 0.587, 100: 0.821, 200: 0.903, 300: 0.939, 500: 0.963, 1000: 0.981},
                "max_entropy": {20: 0.587, 100: 0.757, 200: 0.868, 300: 0.897, 500: 0.946, 1000: 0.981},
            },
        ),
        Published(
            "iloveudl/miniproject, three seeds",
            "deterministic",
            {
                "least_confidence": {20: 0.577, 100: 0.781, 200: 0.913, 300: 0.941, 500: 0.961, 1000: 0.981},
                "max_entropy": {20: 0.576, 100: 0.769, 200: 0.868, 300: 0.916, 500: 0.956, 1000: 0.980},
            },
        ),
    ),
    deviations="The weight decay is 2.5 / N, as in the authors' code, and not searched anew in each round. BALD of the "
    "deterministic network is left out: without draws that differ it is 0 everywhere, so it is random. Its variation "
    "ratio is the least confidence; that of MC dropout counts votes, as the authors' code does.",
)
