"""What a comparison runs: the settings of ``bal compare``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# A folder may be extended along these; everything else must stay as it is.
EXTENDS = ("strategies", "num_seeds", "num_rounds")
# Where things lie and what the table shows does not change a result.
NOT_RECORDED = ("output", "data_dir", "targets")


@dataclass(frozen=True)
class Settings:
    """Compare strategies on one data set: all from the same initial sets and keys, many seeds at once."""

    dataset: str = "digits"
    """digits, mnist_5k, two_moons (no network needed), or a TFDS classification set such as fashion_mnist."""
    data_dir: Path | None = None
    """Folder of prepared TFDS sets; nothing is downloaded where it is given."""
    num_pool: int | None = None
    """Use a random part of the pool; all of it where left out."""
    num_test: int | None = None
    """Use a random part of the test set; all of it where left out."""
    num_validation: int = 0
    """Pool points set aside with their labels for early stopping; reported beside the number of labels."""
    num_calibration: int = 0
    """Pool points set aside with their labels for risk-controlled automatic labels; reported beside the labels too."""
    copies: int = 1
    """Repeat the pool so many times with noise (Repeated-MNIST)."""
    noise: float = 0.1
    """Standard deviation of that noise; inputs are in [0, 1]."""
    normalise: bool = False
    """Inputs of mean 0 and variance 1 in each channel, by the figures of the pool."""

    network: Literal["mlp", "cnn_gal", "cnn_batchbald", "resnet18"] = "mlp"
    """Architecture. cnn_gal and cnn_batchbald are those of Gal et al. 2017 and Kirsch et al. 2019."""
    hidden_sizes: tuple[int, ...] = (128, 128)
    """Widths of the mlp."""
    dropout_rate: float = 0.5
    """Dropout of the mlp."""
    posterior: str = "mc_dropout"
    """Name in bal.posteriors.POSTERIORS."""
    evaluation_posterior: str | None = None
    """Report the metrics of this posterior, fitted on the same labels; of the acquiring one where left out."""
    num_members: int = 5
    """Networks in an ensemble."""
    temperature: float | None = None
    """Weight of the prior's divergence (mean_field) or of the noise (sgld, sghmc); 1 is Bayes, 0.1 where left out."""
    num_samples: int | None = None
    """Posterior samples; where left out, all that the posterior has, or 32 where it has as many as wanted."""

    strategies: tuple[str, ...] = ("random", "bald")
    """Names in bal.strategies.STRATEGIES."""
    num_seeds: int = 10
    """Paired runs of each strategy."""
    num_initial: int = 20
    """Points labelled at the start."""
    initial_set: Literal["uniform", "balanced"] = "uniform"
    """How they are drawn; balanced reads labels, as papers that start from two a class do."""
    num_rounds: int = 20
    """Models fitted, and batches asked for."""
    batch_size: int = 5
    """Points asked for in a round."""
    pool_subset_size: int | None = None
    """Score a random subset of the available points in each round; all where left out."""

    automatic: Literal["entropy_below", "confidence_above", "risk_controlled"] | None = None
    """Rule in bal.autolabel by which the model labels points by itself and learns from that; none where left out."""
    automatic_level: float = 0.1
    """Of that rule: entropy in nats, confidence, or promised error rate."""
    automatic_rate: float = 0.0
    """By how much the threshold of entropy_below falls in each round."""
    max_automatic: int = 500
    """Automatic labels in a round, at most."""
    automatic_weight: float = 1.0
    """Weight of an automatic label in the fit; a person's has 1."""

    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    """Optimiser; sgd has momentum 0.9."""
    learning_rate: float | None = None
    """Step size; where left out, 2e-3, and 0.2 (sgld) or 0.05 (sghmc), whose steps are plain gradients."""
    num_steps: int = 400
    """Optimiser steps a round; with early stopping, at most."""
    num_epochs: int | None = None
    """Steps a round as so many passes over the labels that there are; each round is a program of its own then."""
    minibatch_size: int = 32
    """Labelled points a step."""
    weight_decay: float = 0.0
    """L2 penalty on kernels, divided by the number of labels: c in c / N, as Gal et al. set it (2.5)."""
    l2: float = 0.0
    """Added to the gradient: so many times each parameter (weight decay of PyTorch's SGD)."""
    drop_at: float | None = None
    """Divide the learning rate by 10 after this share of a round's steps."""
    augmentation: Literal["none", "crop_and_flip"] = "none"
    """Noise on training images: moved by up to 4 pixels, and mirrored."""
    detach_at: float = 0.6
    """Share of a round's steps after which the loss predictor (learning_loss) no longer trains the network itself."""
    patience: int | None = None
    """Stop early after so many evaluations without improvement, on the validation points."""
    evaluate_every: int = 50
    """Steps between these evaluations."""
    refit: Literal["restart", "warm_start", "shrink_and_perturb"] = "restart"
    """What a round's training starts from."""

    seed: int = 0
    """Changes everything that is random."""
    seeds_at_once: int | None = None
    """Seeds in one program, the unit of work; where left out, 10, or 1 for convolutions on a CPU."""
    targets: tuple[float, ...] = (0.8, 0.9, 0.95)
    """Accuracies for which the table gives the number of labels."""
    output: Path = Path("results/compare")
    """Folder for everything that is written; a second run continues what it holds."""
