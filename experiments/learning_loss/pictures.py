"""How well predicted losses order held-out points, as a table and as a picture."""

from functools import partial
from pathlib import Path

import jax
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.table import Table
from scipy import stats

import bal
from bal.studies import COLOURS, curves, mean_and_interval, save_picture, with_interval
from bal.studies.grid import Unit
from bal.studies.learners import build_posterior, load_dataset
from bal.studies.settings import Settings
from bal.studies.tasks import task_of

LOSS_FLOOR = 1e-4  # nats: smaller losses, of right and certain predictions, are drawn at this one


def correlation_table(frame: pd.DataFrame) -> Table:
    """Spearman's rho of predicted and true loss on the test set at each number of labels."""
    table = Table(
        title="Rank correlation of predicted and true loss on held-out points",
        caption="mean over seeds and 95 % interval; 0 is chance",
    )
    table.add_column("labels", justify="right")
    by_strategy = curves(frame, "loss_rank_correlation")
    for name in by_strategy:
        table.add_column(name, justify="right", no_wrap=True)
    for count in next(iter(by_strategy.values())).index:
        table.add_row(str(count), *(with_interval(curve.loc[count].to_numpy()) for curve in by_strategy.values()))
    return table


def plot_predicted_losses(settings: Settings, units: list[Unit], dataset: bal.Dataset | None, path: Path) -> None:
    """Predicted against true loss of held-out points in the last round, and the true loss of each predicted decile.

    All seeds together. Only the order of predicted losses has a meaning, not their scale: the first panel shows their
    ranks within each seed, from 0 to 1.
    """
    ranks, true = _held_out(settings, units, load_dataset(settings) if dataset is None else dataset)
    correlation, half = mean_and_interval(
        np.array([stats.spearmanr(rank, loss).statistic for rank, loss in zip(ranks, true, strict=True)])
    )
    figure = Figure(figsize=(10.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    shown = np.maximum(true, LOSS_FLOOR)
    cells = left.hexbin(ranks.ravel(), shown.ravel(), yscale="log", gridsize=35, mincnt=1, bins="log", cmap="viridis")
    figure.colorbar(cells, ax=left, label="points")
    left.set_xlabel("rank of the predicted loss (0: best, 1: worst)")
    left.set_ylabel(f"true loss in nats, at least {LOSS_FLOOR:g}")
    left.set_title(f"Spearman's rho {correlation:.2f} ± {half:.2f} over {len(ranks)} seeds")
    tenth = np.minimum((ranks * 10).astype(int), 9)
    means = np.array([[loss[of == t].mean() for t in range(10)] for loss, of in zip(true, tenth, strict=True)])
    mean, interval = np.array([mean_and_interval(column) for column in means.T]).T
    right.bar(np.arange(10) + 0.5, mean, yerr=np.nan_to_num(interval), width=0.8, color=COLOURS["blue"], capsize=3)
    right.axhline(true.mean(), color="0.35", linestyle="--", label="mean of all points")
    right.set_xticks(np.arange(11), [f"{t / 10:g}" for t in range(11)])
    right.set_xlabel("tenths of the points, by predicted loss")
    right.set_ylabel("mean true loss in nats")
    right.set_title("true loss of each tenth, 95 % interval")
    right.legend(frameon=False)
    labels = int(units[0].info.num_labelled[-1].ravel()[0])
    figure.suptitle(f"{settings.data.dataset}: held-out points after {labels} labels chosen by learning loss")
    save_picture(figure, path, dpi=130)


def _held_out(settings: Settings, units: list[Unit], dataset: bal.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of the predicted losses in [0, 1] and true losses of the test points: [seeds, points] both."""
    inputs, labels = dataset.test_inputs, dataset.test_labels
    assert inputs is not None
    assert labels is not None
    posterior = build_posterior(settings, settings.model.posterior, task_of(dataset))

    @jax.jit
    def both(state):
        predict = partial(posterior.predict, state, posterior.sample(jax.random.key(0), state, None))
        predicted = bal.stream(partial(posterior.features["predicted_loss"], state), inputs)[:, 0]
        predictive = bal.stream(lambda chunk: posterior.likelihood.reduce(predict(chunk)), inputs)
        return predicted, posterior.likelihood.nll(predictive, labels)

    rows = []
    for unit in units:
        state = unit.state().posterior
        for position, seed in enumerate(unit.seeds):
            if seed < settings.run.num_seeds:
                rows.append(both(jax.tree.map(lambda leaf, at=position: leaf[at], state)))
    predicted, true = (np.stack([np.asarray(row[kind], np.float64) for row in rows]) for kind in (0, 1))
    return (stats.rankdata(predicted, axis=1) - 0.5) / predicted.shape[1], true
