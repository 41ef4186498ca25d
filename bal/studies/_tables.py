"""The table at the end of a comparison, and how tables get to the screen."""

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from bal.studies.settings import Settings
from bal.studies.statistics import curves, labels_to, mean_and_interval, normalised_area

BASELINE = "random"


def summary_table(frame: pd.DataFrame, settings: Settings) -> Table:
    """Accuracy at several label counts, area under the curve, labels to given accuracies, difference to random."""
    by_strategy = curves(frame)
    counts = next(iter(by_strategy.values())).index.to_numpy()
    shown = counts[np.unique(np.linspace(0, len(counts) - 1, 5).round().astype(int))]
    title = f"{settings.dataset}, {settings.posterior}: test accuracy, {settings.num_seeds} seeds"
    if settings.num_validation:
        title += f" (and {settings.num_validation} validation labels)"
    if settings.num_calibration:
        title += f" (and {settings.num_calibration} calibration labels)"
    caption = "@n: mean at n labels; area: under the curve, 95 % interval; to: labels to an accuracy, median over seeds"
    table = Table(title=title, caption=caption)
    table.add_column("strategy", no_wrap=True)
    headings = [f"@{count}" for count in shown] + ["area"]
    headings += [f"to {target:.0%}" for target in settings.targets] + [f"area less {BASELINE}"]
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    areas = {name: curve.apply(normalised_area) for name, curve in by_strategy.items()}
    for name, curve in by_strategy.items():
        cells = [f"{curve.loc[count].mean():.3f}" for count in shown]
        cells.append(with_interval(areas[name].to_numpy()))
        for target in settings.targets:
            median = np.median([labels_to(curve[seed], target) for seed in curve])
            cells.append(f"{median:.0f}" if np.isfinite(median) else "-")
        paired = BASELINE in areas and name != BASELINE
        cells.append(with_interval((areas[name] - areas[BASELINE]).to_numpy(), sign="+") if paired else "")
        table.add_row(name, *cells)
    return table


def show(*parts: Table | str) -> None:
    """Print tables as wide as they are, so that no figure is cut off where the screen is narrow, and sentences."""
    for part in parts:
        width = Console(width=1000).measure(part).maximum if isinstance(part, Table) else 0
        # A path may hold brackets, which are no markup.
        Console(width=max(Console().width, width)).print(part, soft_wrap=isinstance(part, str), markup=False)


def with_interval(values: np.ndarray, sign: str = "") -> str:
    """Mean and 95 % interval, without the interval where there is but one value."""
    mean, half = mean_and_interval(values)
    return f"{mean:{sign}.4f} ± {half:.4f}" if np.isfinite(half) else f"{mean:{sign}.4f}"
