"""What a reproduction found: published figures beside ours, and which claims hold."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from rich.table import Table

from bal.studies import area_differences, curves, mean_and_interval, with_interval
from experiments.reproductions.paper import Claim, Paper

CLOSE = 0.02  # accuracy


class Beside(NamedTuple):
    """A published accuracy and ours."""

    variant: str
    strategy: str
    num_labels: int
    source: str
    published: float
    ours: np.ndarray  # by seed

    @property
    def verdict(self) -> str:
        """It agrees within .02 of our mean, differs outside our 95 % interval too, and is open in between."""
        mean, half = mean_and_interval(self.ours)
        gap = abs(self.published - mean)
        # One seed has no interval, so nothing further away is known to differ.
        return "agrees" if gap <= CLOSE else "differs" if gap > half else "open"


def beside_published(frame: pd.DataFrame, paper: Paper) -> list[Beside]:
    """Every published accuracy at a number of labels that ours reach.

    Args:
      frame: metrics with a column ``variant``.
      paper: whose figures are compared.
    """
    found = []
    by_variant = {str(name): curves(part, "accuracy") for name, part in frame.groupby("variant", sort=False)}
    for variant, figures in ((each.variant, each) for each in paper.published):
        for strategy, accuracies in figures.accuracy.items():
            ours = by_variant.get(variant, {}).get(strategy)
            for num_labels, published in accuracies.items():
                if ours is not None and num_labels in ours.index:
                    by_seed = ours.loc[num_labels].to_numpy()
                    found.append(Beside(variant, strategy, num_labels, figures.source, published, by_seed))
    return found


def published_table(found: list[Beside]) -> Table:
    """Published figures and ours, and whether they agree."""
    table = Table(
        title="Accuracy, published and ours",
        caption=f"agrees: within {CLOSE:g} of our mean; differs: outside its 95 % interval (±), too; else open",
        title_justify="left",
        caption_justify="left",
    )
    for heading in ("variant", "strategy"):
        table.add_column(heading, no_wrap=True)
    for heading in ("labels", "published", "ours"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict")
    table.add_column("source")
    for each in found:
        row = (str(each.num_labels), f"{each.published:.3f}", with_interval(each.ours, decimals=3))
        table.add_row(each.variant, each.strategy, *row, each.verdict, each.source)
    return table


def counted(found: list[Beside]) -> str:
    """How many published figures agree, differ and are open."""
    verdicts = [each.verdict for each in found]
    agree, differ, still_open = (verdicts.count(name) for name in ("agrees", "differs", "open"))
    return f"{len(found)} published figures: {agree} agree, {differ} differ, {still_open} open"


def claim_sentences(frame: pd.DataFrame, paper: Paper) -> list[str]:
    """For each claim whose curves have run: holds, is contradicted, or is neither shown nor contradicted."""
    by_variant = {str(name): curves(part, "accuracy") for name, part in frame.groupby("variant", sort=False)}

    def curve(of: tuple[str, str]) -> pd.DataFrame | None:
        variant, strategy = of
        return by_variant.get(variant, {}).get(strategy)

    said = []
    for claim in paper.claims:
        better, than = curve(claim.better), curve(claim.than)
        if better is not None and than is not None:
            mean, half = mean_and_interval(area_differences(better, than).to_numpy())
            verdict = "holds" if mean > half else "is contradicted" if -mean > half else "is not shown"
            said.append(f"{_named(claim)}: {verdict}, {mean:+.4f} ± {half:.4f}")
    return said


def _named(claim: Claim) -> str:
    (variant, strategy), (other, baseline) = claim
    if variant == other:
        return f"{strategy} above {baseline} ({variant})"
    than = other if strategy == baseline else f"{baseline}, {other}"
    return f"{strategy}, {variant} above {than}"
