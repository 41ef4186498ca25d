"""Kirsch et al. 2021, Stochastic batch acquisition: a simple baseline for deep active learning, arXiv:2106.12059."""

from experiments.reproductions.paper import Claim, Paper, Published

STOCHASTIC = ("power_bald", "softmax_bald", "softrank_bald")
COPIES = {"one copy": 1, "two copies": 2, "four copies": 4}
ACCURACY = {  # at 100, 200 and 300 labels
    "one copy": {
        "random": (0.854, 0.915, 0.925),
        "bald": (0.866, 0.940, 0.957),
        "power_bald": (0.907, 0.953, 0.965),
        "softmax_bald": (0.919, 0.954, 0.964),
        "softrank_bald": (0.902, 0.946, 0.960),
    },
    "two copies": {
        "random": (0.848, 0.907, 0.929),
        "bald": (0.780, 0.892, 0.922),
        "power_bald": (0.906, 0.949, 0.965),
        "softmax_bald": (0.908, 0.953, 0.963),
        "softrank_bald": (0.890, 0.943, 0.962),
    },
    "four copies": {
        "random": (0.874, 0.914, 0.933),
        "bald": (0.761, 0.845, 0.880),
        "power_bald": (0.911, 0.955, 0.966),
        "softmax_bald": (0.909, 0.949, 0.965),
        "softrank_bald": (0.878, 0.946, 0.961),
        "margin": (0.917, 0.951, 0.968),
    },
}

PAPER = Paper(
    title="Kirsch et al. 2021: sampling by BALD instead of its largest values, on Repeated-MNIST",
    protocol={
        "dataset": "mnist",
        "network": "cnn_batchbald",
        "strategies": ("random", "bald", "power_bald", "softmax_bald", "softrank_bald", "margin"),
        "noise": 0.0308,  # .1 after their division by .3081
        "num_samples": 100,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "l2": 5e-4,
        "num_steps": 4800,
        "minibatch_size": 64,
        "num_validation": 4096,
        "evaluate_every": 16,
        "patience": 20,
        "num_initial": 20,
        "initial_set": "balanced",
        "batch_size": 10,
        "num_rounds": 29,
        "num_seeds": 5,
    },
    variants={name: {"copies": count} for name, count in COPIES.items()},
    small={
        "dataset": "mnist_5k",
        "network": "mlp",
        "hidden_sizes": (128, 128),
        "l2": 0.0,
        "num_steps": 400,
        "minibatch_size": 32,
        "num_validation": 0,
        "patience": None,
        "num_samples": 32,
        "num_seeds": 10,
    },
    claims=tuple(
        [Claim((variant, name), (variant, "bald")) for variant in COPIES for name in STOCHASTIC]
        + [Claim(("four copies", "random"), ("four copies", "bald"))]
    ),
    published=tuple(
        Published(
            "the authors' runs, medians of five seeds",
            variant,
            {name: dict(zip((100, 200, 300), values, strict=True)) for name, values in table.items()},
        )
        for variant, table in ACCURACY.items()
    ),
    deviations="An epoch of 1,024 draws is 16 steps. The small size has an MLP and no early stopping.",
)
