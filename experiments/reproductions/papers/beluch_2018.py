"""Beluch et al. 2018, The power of ensembles for active learning in image classification, CVPR."""

from experiments.reproductions.paper import Claim, Paper

STRATEGIES = ("random", "variation_ratio", "max_entropy", "bald")

PAPER = Paper(
    title="Beluch et al. 2018: an ensemble of five networks beside MC dropout",
    protocol={
        "dataset": "mnist",
        "network": "cnn_gal",
        "strategies": STRATEGIES,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "num_epochs": 50,
        "minibatch_size": 64,
        "num_initial": 20,
        "initial_set": "balanced",
        "batch_size": 10,
        "num_rounds": 49,
        "pool_subset_size": 2000,
        "num_seeds": 5,
    },
    variants={
        "ensemble": {"posterior": "deep_ensemble", "num_members": 5},
        "MC dropout": {"num_samples": 25},
    },
    small={
        "dataset": "mnist_5k",
        "network": "mlp",
        "hidden_sizes": (128, 128),
        "num_epochs": None,
        "num_steps": 400,
        "minibatch_size": 32,
        "num_rounds": 29,
        "num_seeds": 10,
    },
    claims=tuple(
        [Claim(("ensemble", name), ("MC dropout", name)) for name in STRATEGIES]
        + [Claim(("ensemble", name), ("ensemble", "random")) for name in STRATEGIES[1:]]
    ),
    deviations="There is no code of the paper, and its curves of MNIST are not known here: the network, the optimiser "
    "and the batches are those of Gal et al. The draws are 25 and the members five, as in the paper. The small size "
    "has an MLP.",
)
