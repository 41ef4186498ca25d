"""What batch rules are for: a pool in which every point has copies, and which points each rule picks in one round.

    python -m experiments.redundancy --dataset digits --output results/redundancy

The pool is repeated with noise (Repeated-MNIST, Kirsch et al. 2019). Among the best points by BALD are
copies of one another; rules that look at the batch, or that sample, seldom ask for the same thing twice. An interrupted
run is continued.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bal.studies import compare
from bal.studies.grid import prepare_grid
from bal.studies.settings import Settings
from bal.studies.sole_writer import sole_writer
from experiments.redundancy.picks import plot_picks

STRATEGIES = (
    "random",
    "bald",
    "power_bald",
    "softmax_bald",
    "batch_bald",
    "epig",
    "batch_epig",
    "badge",
    "k_center",
)


@dataclass(frozen=True)
class Study:
    """The settings that matter; the others are those of ``bal compare``."""

    dataset: Literal["digits", "mnist_5k"] = "digits"
    """Whose pool is repeated."""
    copies: int = 4
    """How often each point occurs."""
    noise: float = 0.1
    """Standard deviation of the noise by which copies differ; inputs are in [0, 1]."""
    num_seeds: int = 10
    """Paired runs of each strategy."""
    num_rounds: int = 12
    """Models fitted, and batches of 10 asked for."""
    num_samples: int = 32
    """Posterior samples (dropout masks)."""
    output: Path = Path("results/redundancy")
    """Folder for tables, learning curves and the picture of the picks."""


def main(study: Study) -> None:
    """Draw the picks, which takes seconds, and run the grid."""
    settings = Settings().with_values(
        dataset=study.dataset,
        copies=study.copies,
        noise=study.noise,
        strategies=STRATEGIES,
        num_seeds=study.num_seeds,
        num_rounds=study.num_rounds,
        num_samples=study.num_samples,
        batch_size=10,
        output=study.output,
    )
    prepare_grid(settings)
    with sole_writer(study.output):
        plot_picks(STRATEGIES, study.output / "picks.png", batch_size=10)
        compare.main(settings)
