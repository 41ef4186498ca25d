"""What the study of Fashion-MNIST found: random beside published curves, who beats random, and what is asked for."""

import pandas as pd
from rich.table import Table

from bal.studies import curves, with_interval
from bal.studies.statistics import areas, paired_differences

LEVEL = 0.05
CLOSE = 0.015
# Accuracy by number of labels, with MC dropout: two reproductions of the protocol, means of three and of ten seeds.
PUBLISHED: dict[str, dict[str, dict[int, float]]] = {
    "iloveudl/miniproject": {
        "random": {100: 0.717, 200: 0.738, 300: 0.757},
        "bald": {100: 0.655, 200: 0.719, 300: 0.730},
        "max_entropy": {100: 0.677, 200: 0.667, 300: 0.703},
    },
    "jonasvj, MSc thesis": {
        "random": {100: 0.697, 200: 0.752, 300: 0.767},
        "bald": {100: 0.672, 200: 0.720, 300: 0.737},
        "max_entropy": {100: 0.636, 200: 0.679, 300: 0.719},
    },
}


def beside_published(frame: pd.DataFrame) -> list[str]:
    """A sentence for each strategy with published figures: ours, theirs, and for random whether they agree."""
    by_strategy = curves(frame, "accuracy")
    said = []
    for name in ("random", "bald", "max_entropy"):
        if name not in by_strategy:
            continue
        runs = by_strategy[name]
        counts = [count for count in (100, 200, 300) if count in runs.index]
        if not counts:
            continue
        means = runs.mean(axis=1)
        figures = [f"ours {', '.join(with_interval(runs.loc[count].to_numpy(), decimals=3) for count in counts)}"]
        figures += [f"{source} {_figures([of[name][count] for count in counts])}" for source, of in PUBLISHED.items()]
        said.append(f"{name} at {', '.join(map(str, counts))} labels: {'; '.join(figures)}")
        if name == "random" and len(counts) == 3:
            gap = min(max(abs(means[count] - of[name][count]) for count in counts) for of in PUBLISHED.values())
            verdict = "within" if gap <= CLOSE else "not within"
            said.append(f"random is {verdict} {CLOSE} of one published curve at all three")
    return said


def verdicts(frame: pd.DataFrame) -> list[str]:
    """How much each area differs from random's, and which are better and worse by the rule of the study.

    The rule is about accuracy. Areas of the log loss, where less is better, were added when all results were known.
    """
    if frame["strategy"].nunique() == 1 or "random" not in frame["strategy"].unique():
        return []
    said, table = _differences(frame, "accuracy", "area")
    shown = table[table["p_holm"] < LEVEL]
    better, worse = (shown.index[sign * shown["difference"] > 0].tolist() for sign in (1, -1))
    said.append(f"better than random: {', '.join(better) or 'none'}; worse: {', '.join(worse) or 'none'}")
    return said + _differences(frame, "nll", "area of the log loss")[0]


def _differences(frame: pd.DataFrame, metric: str, figure: str) -> tuple[list[str], pd.DataFrame]:
    """A sentence for each strategy, and the table of paired differences to random."""
    of_runs = areas(curves(frame, metric))
    table, said = paired_differences(of_runs, "random"), []
    for name, row in table.sort_values("difference", ascending=False).iterrows():
        difference = with_interval((of_runs[name] - of_runs["random"]).to_numpy(), sign="+", decimals=3)
        p_values = f"p {row['p_value']:.3f}, after Holm's correction {row['p_holm']:.3f}"
        said.append(f"{figure} of {name} less that of random: {difference}, {p_values}")
    return said, table


def classes_table(asked: pd.DataFrame) -> Table:
    """The share of each class among the points that each strategy asked for, over all rounds and seeds.

    Args:
      asked: a row for each point, with the columns strategy and class, a categorical one.
    """
    table = Table(title="Percent of the points asked for, by class", title_justify="left")
    table.add_column("strategy", no_wrap=True)
    shares = pd.crosstab(asked["strategy"], asked["class"], normalize="index", dropna=False)
    for name in shares:
        table.add_column(str(name), justify="right", no_wrap=True)
    for name in asked["strategy"].unique():
        table.add_row(str(name), *(f"{100 * share:.1f}" for share in shares.loc[name]))
    return table


def _figures(values: list[float]) -> str:
    return " ".join(f"{value:.3f}" for value in values)
