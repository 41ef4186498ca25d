"""Bickford Smith et al. 2023, Prediction-oriented Bayesian active learning (EPIG), arXiv:2304.08151."""

from experiments.reproductions.paper import Claim, Paper

DATA = "experiments.reproductions.target_sets"
POOLS = ("curated", "unbalanced", "redundant")

PAPER = Paper(
    title="Bickford Smith et al. 2023: EPIG beside BALD where the pool is not what is predicted",
    protocol={
        "network": "cnn_batchbald",
        "strategies": ("random", "bald", "epig"),
        "num_samples": 100,
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "l2": 1e-4,
        "num_steps": 10_000,
        "minibatch_size": 64,
        "num_validation": 60,
        "evaluate_every": 100,
        "patience": 50,
        "num_initial": 20,
        "initial_set": "balanced",
        "batch_size": 1,
        "num_rounds": 281,
        "num_seeds": 20,
    },
    variants={name: {"dataset": f"{DATA}:{name}"} for name in POOLS},
    small={
        "network": "mlp",
        "hidden_sizes": (128, 128),
        "optimizer": "adamw",
        "learning_rate": None,
        "l2": 0.0,
        "num_steps": 200,
        "minibatch_size": 32,
        "num_validation": 0,
        "patience": None,
        "num_samples": 32,
        "batch_size": 2,
        "num_rounds": 41,
        "pool_subset_size": 500,
        "num_seeds": 10,
    },
    claims=tuple(Claim((name, "epig"), (name, baseline)) for name in POOLS for baseline in ("bald", "random")),
    deviations="The pools are made from the 5,000 digits of mnist_5k, so they are about ten times smaller. Gradients "
    "are of minibatches. All runs start from 20 labels, where the paper starts the redundant pool from six. Results "
    "are curves without a table. The small size asks for two points at a time among 500 random ones, with an MLP.",
)
