"""What a comparison runs: the settings of ``bal compare`` in five parts, and what else its command takes."""

from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tyro

from bal.validation import check_choice

Part = TypeVar("Part")
# Flags are those of the fields: --num-steps, not --model.num-steps.
Flat = Annotated[Part, tyro.conf.arg(name="")]

# A folder may be extended along these; everything else must match what it holds.
EXTENDS = ("strategies", "num_seeds", "num_rounds")
# Where files are, who runs the cells and what the table shows does not change a result.
NOT_RECORDED = ("data_dir", "targets", "output", "executor", "allow_changed_code")


@dataclass(frozen=True)
class DataSettings:
    """The data set and its variants."""

    dataset: str = "digits"
    """A name of `bal list datasets` or of TFDS, a table (.csv, .parquet or .npz), or module:function."""
    task: Literal["segmentation", "foreground", "detection", "depth", "classification"] | None = None
    """Which labels of a data set that has several; the first of them by default."""
    image_size: int | None = None
    """Side of the images of a data set that draws or stretches them; its own by default."""
    data_dir: Path | None = None
    """Folder of prepared TFDS sets; nothing is downloaded if it is given."""
    on_disk: bool = False
    """Read the pool of a TFDS set from its files in each round, instead of holding it in memory."""
    target: str | None = None
    """Column of a table that holds the labels."""
    test_fraction: float | None = None
    """Share of a table's rows in the test set, drawn by the seed; 0.3 by default."""
    test_column: str | None = None
    """Column of a table that is true (or 1) for the rows of the test set."""
    num_pool: int | None = None
    """Use a random part of the pool; all of it by default."""
    num_test: int | None = None
    """Use a random part of the test set; all of it by default."""
    num_validation: int = 0
    """Pool points set aside with their labels for early stopping; reported beside the number of labels."""
    num_calibration: int = 0
    """Pool points set aside with their labels for risk-controlled automatic labels; reported beside the labels."""
    copies: int = 1
    """How often each point of the pool occurs, with noise between copies (Repeated-MNIST)."""
    noise: float = 0.1
    """Standard deviation of that noise; image inputs are in [0, 1]."""
    grid: tuple[int, ...] | None = None
    """Ask for regions of images instead of whole ones: cells along each space axis, such as 4 4."""
    normalise: bool = False
    """Inputs of mean 0 and variance 1 in each channel, by the statistics of the pool."""


@dataclass(frozen=True)
class ModelSettings:
    """The network, the posterior and its training."""

    network: str = "mlp"
    """A name of `bal list networks`, or module:function; cnn_gal is that of Gal et al. 2017, cnn_batchbald Kirsch's."""
    hidden_sizes: tuple[int, ...] | None = None
    """Widths of the mlp and the text_mlp (by default 128 128), or of the levels of the unet (16 32 64) and of the
    center_net (32 64 128)."""
    dropout_rate: float = 0.5
    """Dropout of the mlp, the text_mlp, the unet and the center_net."""
    posterior: str = "mc_dropout"
    """A name of `bal list posteriors`, or module:function."""
    evaluation_posterior: str | None = None
    """Report the metrics of this posterior, fitted to the same labels; by default those of the acquiring one."""
    num_members: int = 5
    """Networks in an ensemble."""
    temperature: float | None = None
    """Weight of the prior's divergence (mean_field) or of the noise (sgld, sghmc); 1 is Bayes, 0.1 is the default."""
    num_samples: int | None = None
    """Posterior samples; by default all draws of the posterior, or 32 if it can draw any number."""
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    """Optimiser; sgd has momentum 0.9."""
    learning_rate: float | None = None
    """Step size; by default 2e-3, 0.2 for sgld and 0.05 for sghmc, whose steps are plain gradients."""
    num_steps: int = 400
    """Optimiser steps a round; the most that early stopping may take."""
    num_epochs: int | None = None
    """Steps a round as passes over the labels; rounds of different lengths are then compiled separately."""
    minibatch_size: int = 32
    """Labelled points a step."""
    weight_decay: float = 0.0
    """L2 penalty on kernels, divided by the number of labels: c in c / N, as Gal et al. set it (2.5)."""
    l2: float = 0.0
    """Added to the gradient as a multiple of each parameter (weight decay of PyTorch's SGD)."""
    drop_at: float | None = None
    """Divide the learning rate by 10 after this share of a round's steps."""
    augmentation: Literal["none", "crop_and_flip"] = "none"
    """Noise on training images: shifted by up to 4 pixels, and mirrored."""
    detach_at: float = 0.6
    """Share of a round's steps after which the loss predictor (learning_loss) no longer trains the network."""
    patience: int | None = None
    """Stop early after this number of evaluations without improvement, on the validation points."""
    evaluate_every: int = 50
    """Steps between these evaluations."""
    refit: Literal["restart", "warm_start", "shrink_and_perturb"] = "restart"
    """What a round's training starts from."""


@dataclass(frozen=True)
class RunSettings:
    """The strategies, their seeds and the label budget."""

    strategies: tuple[str, ...] = ("random", "bald")
    """Names of `bal list strategies`, or module:function."""
    features: Literal["embedding", "gradient"] | None = None
    """What strategies that use features (lcmd, k_center, bait, ...) use; by default those of each strategy."""
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
    aggregate: str | None = None
    """How scores of an image are summed up: of its positions by mean (default), sum, max, top_fraction or foreground,
    of its objects by sum (default), mean, max or objectness."""
    pool_subset_size: int | None = None
    """Score a random subset of the available points in each round; all of them by default."""
    stop_set_size: int | None = None
    """Random points of the pool on which stopping criteria compare successive models; by default none are watched."""
    seed: int = 0
    """Changes everything that is random."""
    seeds_at_once: int | None = None
    """Seeds in one program; the last group is filled up. By default 10, or 1 for convolutions on a CPU."""


@dataclass(frozen=True)
class AutomaticSettings:
    """Labels that the model gives itself."""

    automatic: Literal["entropy_below", "confidence_above", "risk_controlled"] | None = None
    """Rule of bal.autolabel by which the model labels points and learns from these labels; none by default."""
    automatic_level: float = 0.1
    """Threshold of that rule: entropy in nats, confidence, or promised error rate."""
    automatic_rate: float = 0.0
    """By how much the threshold of entropy_below falls in each round."""
    max_automatic: int = 500
    """Automatic labels in a round, at most."""
    automatic_weight: float = 1.0
    """Weight of an automatic label in the fit; a person's has 1."""


@dataclass(frozen=True)
class OracleSettings:
    """Who labels."""

    label_noise: float = 0.0
    """Share of wrong labels, any other class alike; the test set keeps its labels."""
    abstention: float = 0.0
    """Share of points for which no label is given; it is paid for, and the point is not asked for again."""
    relabel: int = 0
    """Labels in a batch, at most, that look wrong to the model and are asked for again, instead of new ones."""
    relabel_certainty: float = 0.5
    """Probability of another class from which on a label looks wrong."""


@dataclass(frozen=True)
class Settings:
    """Compare strategies on one data set: all from the same initial sets and keys, many seeds at once."""

    data: Flat[DataSettings] = field(default_factory=DataSettings)
    model: Flat[ModelSettings] = field(default_factory=ModelSettings)
    run: Flat[RunSettings] = field(default_factory=RunSettings)
    labelling: Flat[AutomaticSettings] = field(default_factory=AutomaticSettings)
    oracle: Flat[OracleSettings] = field(default_factory=OracleSettings)
    targets: tuple[float, ...] | None = None
    """Values of the main metric whose label counts the table gives; by default 0.8 0.9 0.95 for accuracy."""
    output: Path = Path("results/compare")
    """Folder for results; the same command continues them, and more seeds, rounds or strategies extend them."""
    executor: str = "here"
    """Who runs the cells, each a strategy and a group of seeds: here (one after the other), processes:N,
    slurm:timeout_min=600,slurm_partition=gpu with options of submitit, or ray:ADDRESS (by default a new local one)."""
    allow_changed_code: bool = False
    """Use checkpoints of other versions of bal, its dependencies, or a plugin, and continue them."""

    def with_values(self, **values: Any) -> "Settings":
        """The same settings with other values, each by the name of its flag.

        Example:
          >>> Settings().with_values(dataset="two_moons", num_steps=50).model.num_steps
          50

        Raises:
          ValueError: there is no setting of that name; the message has the nearest.
        """
        known = flat_values(self)
        for name in values:
            check_choice("the name of a setting", name, known)

        def updated(part: Part) -> Part:
            names = {each.name for each in fields(part)}  # type: ignore[arg-type]
            return replace(part, **{name: value for name, value in values.items() if name in names})  # type: ignore

        parts = {name: updated(part) for name, part in _parts(self).items()}
        return updated(replace(self, **parts))


def flat_values(settings: Settings) -> dict[str, Any]:
    """Every setting by the name of its flag."""
    parts = _parts(settings)
    own = {each.name: getattr(settings, each.name) for each in fields(settings) if each.name not in parts}
    return {name: value for part in parts.values() for name, value in asdict(part).items()} | own


def _parts(settings: Settings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in ("data", "model", "run", "labelling", "oracle")}
