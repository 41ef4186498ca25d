"""Labels saved and accuracy lost by each criterion: a table, sentences by the rule of the study, a picture."""

import pandas as pd
from matplotlib.figure import Figure
from rich.table import Table

from bal.studies import line_styles, mean_and_interval, with_interval

METRIC = "accuracy"
ALLOWED = 0.01  # accuracy that a safe criterion may lose
FILLS = ("none", "full", "left", "bottom")  # of the markers of the strategies


def shares(found: pd.DataFrame) -> pd.DataFrame:
    """The rows of :func:`bal.studies.stops` with the column share: labels saved, of those of the last model."""
    return found.assign(share=found["saved"] / (found["saved"] + found["labels"]))


def verdict(part: pd.DataFrame) -> str:
    """By the rule of the study: useful, safe, or not shown to be safe.

    Args:
      part: the runs of one data set, strategy and criterion, with the columns share and lost.
    """
    lost, half_lost = mean_and_interval(part["lost"].to_numpy(float))
    share, half_share = mean_and_interval(part["share"].to_numpy(float))
    if not lost + half_lost < ALLOWED:
        return "not shown to be safe"
    return "useful" if share - half_share > 0 else "safe"


def table_of(found: pd.DataFrame, name: str) -> Table:
    """What each criterion saves and costs on one data set."""
    table = Table(
        title=f"{name}: where criteria would have stopped",
        caption=(
            "stopped: of the runs; labels: of the model kept; lost: accuracy of the last model less that of this one;\n"
            "±: 95 % interval over paired seeds; a run that is not stopped saves and loses nothing"
        ),
        caption_justify="left",
    )
    table.add_column("strategy, criterion", no_wrap=True)
    for heading in ("stopped", "labels", "labels saved", "accuracy lost", "verdict"):
        table.add_column(heading, justify="right", no_wrap=True)
    for (strategy, criterion), part in found.groupby(["strategy", "criterion"], sort=False):
        table.add_row(
            f"{strategy}, {criterion}",
            f"{part['stopped'].sum()} of {len(part)}",
            f"{part['labels'].mean():.0f}",
            f"{part['share'].mean():.0%}",
            with_interval(part["lost"].to_numpy(float), sign="+"),
            verdict(part),
        )
    return table


def sentences(found: pd.DataFrame) -> list[str]:
    """For each criterion, on how many data sets and with how many strategies it is useful."""
    lines = []
    for criterion, part in found.groupby("criterion", sort=False):
        verdicts = [verdict(cell) for _, cell in part.groupby(["dataset", "strategy"], sort=False)]
        useful, unsafe = verdicts.count("useful"), verdicts.count("not shown to be safe")
        lines.append(f"{criterion}: useful in {useful} of {len(verdicts)} cases, not shown to be safe in {unsafe}")
    return lines


def plot_stops(found: pd.DataFrame) -> Figure:
    """A panel for each data set: labels saved against accuracy lost, a point for each strategy and criterion."""
    names, strategies = list(found["dataset"].unique()), list(found["strategy"].unique())
    figure = Figure(figsize=(3.2 * len(names) + 1.6, 3.2), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for ax, name in zip(panels, names, strict=True):
        part = found[found["dataset"] == name]
        for criterion, style in line_styles(list(part["criterion"].unique())).items():
            for number, strategy in enumerate(strategies):
                runs = part[(part["criterion"] == criterion) & (part["strategy"] == strategy)]
                ax.plot(
                    100 * runs["share"].mean(),
                    runs["lost"].mean(),
                    style["marker"],
                    color=style["color"],
                    fillstyle=FILLS[number % len(FILLS)],
                    label=f"{criterion}, {strategy}",
                )
        ax.axhline(ALLOWED, color="0.45", linewidth=1, linestyle="--")
        ax.set_title(name, fontsize="small")
        ax.set_xlabel("labels saved in %", fontsize="small")
        ax.tick_params(labelsize="x-small")
        ax.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("accuracy lost (lower is better)", fontsize="small")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", fontsize="x-small")
    return figure
