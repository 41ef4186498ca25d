"""Wang et al. 2017, Cost-effective active learning for deep image classification (CEAL), arXiv:1701.03551."""

from experiments.reproductions.paper import Claim, Paper

STRATEGIES = ("random", "least_confidence", "margin", "max_entropy")

PAPER = Paper(
    title="Wang et al. 2017: does learning from the labels of sure points help?",
    protocol={
        "dataset": "mnist_5k",
        "strategies": STRATEGIES,
        "posterior": "point_estimate",
        "dropout_rate": 0.0,
        "num_initial": 400,
        "num_rounds": 15,
        "batch_size": 50,
        "num_steps": 400,
        "max_automatic": 4000,
        "num_seeds": 10,
    },
    variants={
        "CEAL": {
            "automatic": "entropy_below",
            "automatic_level": 0.005,
            "automatic_rate": 0.00033,
        },
        "labels of people only": {},
    },
    small={"num_pool": 1500, "num_initial": 150, "num_rounds": 10, "batch_size": 20, "max_automatic": 1500},
    claims=tuple(
        [Claim(("CEAL", name), ("labels of people only", name)) for name in STRATEGIES[1:]]
        + [Claim(("CEAL", name), ("CEAL", "random")) for name in STRATEGIES[1:]]
    ),
    deviations="The paper's CACD and Caltech-256 need a download and a network trained on ImageNet. Here are digits, a "
    "tenth of them labelled at the start as there, an MLP that is trained anew in each round, and the threshold of the "
    "entropy and its decay as on Caltech-256.",
)
