"""The page of ``experiments.autolabel``: which points a model may label, and which a person must see."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bal.autolabel import Kind
from bal.studies import COLOURS, mean_and_interval, save_picture
from experiments.autolabel.promises import Seen

NUM_IMAGES = 12  # a row of the grid
ENTROPIES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, np.inf)  # edges of the bins, in nats
ORDERS = {"max_entropy": ("entropy", "-"), "least_confidence": ("1 - confidence", "--"), "bald": ("BALD", ":")}
# Colour and marker of each promised error rate.
PROMISES = ((COLOURS["blue"], "o"), (COLOURS["orange"], "s"), (COLOURS["purple"], "^"))


def draw_page(seen: Seen, promises: pd.DataFrame, dataset: str, path: Path) -> None:
    """Write the page.

    Args:
      seen: the rest of the pool under the models of a round.
      promises: all rows of :func:`experiments.autolabel.promises.keep_promises`.
      dataset: its name.
      path: of the PNG file.
    """
    figure = Figure(figsize=(13, 9.6), layout="constrained")
    above, below = np.asarray(figure.subfigures(2, 1, height_ratios=(1.05, 1)))
    panels = above.subplots(1, 4)
    _draw_coverage(panels[0], seen)
    _draw_errors(panels[1], seen)
    _draw_reliability(panels[2], seen)
    _draw_promises(panels[3], promises)
    num_seeds = len(seen.rest)
    above.suptitle(
        f"{dataset}: what is left of the pool after {seen.num_labelled} labels by a person, {num_seeds} runs",
        fontsize=13,
    )
    _draw_images(below, seen)
    save_picture(figure, path, dpi=100)


def _wrong(seen: Seen) -> np.ndarray:
    return seen.probs.argmax(axis=-1) != seen.labels[None]


def _draw_coverage(axes, seen: Seen) -> None:
    """Accuracy among the most certain share of the points, for several orders; where the promised thresholds lie."""
    wrong = _wrong(seen)
    shares = np.linspace(0.02, 1, 99)
    for name, scores in seen.scores.items():
        curves = []
        for score, is_wrong, rest in zip(scores, wrong, seen.rest, strict=True):
            ordered = is_wrong[rest][np.argsort(score[rest], kind="stable")]
            accuracy = 1 - np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
            curves.append(accuracy[np.ceil(shares * len(ordered)).astype(int) - 1])
        label, style = ORDERS[name]
        axes.plot(100 * shares, 100 * np.mean(curves, axis=0), style, color="black", label=label, linewidth=1)
    for (error, kinds), (colour, marker) in zip(seen.kinds.items(), PROMISES, strict=False):
        for kind, is_wrong, rest in zip(kinds, wrong, seen.rest, strict=True):
            automatic = kind == Kind.AUTOMATIC
            if automatic.any():
                share = 100 * automatic.sum() / rest.sum()
                axes.plot(share, 100 * (1 - is_wrong[automatic].mean()), marker, color=colour, markersize=5)
        axes.axhline(100 * (1 - error), color=colour, linestyle=":", linewidth=1)
        label = f"promised: ≤ {100 * error:.0f} % wrong"
        axes.plot([], [], marker + ":", color=colour, label=label)
    axes.set(
        xlabel="% labelled, most certain first (points: runs)",
        ylabel="% of these labels right",
        title="Accuracy against coverage",
    )
    axes.legend(frameon=False, fontsize=8, loc="center left")  # below the curves and beside the promises
    axes.grid(alpha=0.3)


def _draw_errors(axes, seen: Seen) -> None:
    """Error rate in bins of entropy, mean over runs and 95 % interval."""
    wrong, entropies = _wrong(seen), seen.scores["max_entropy"]
    worst = 100 * max(seen.kinds)
    names = [
        f"{a:g}-\n{b:g}".replace("-\ninf", "\nor more") for a, b in zip(ENTROPIES[:-1], ENTROPIES[1:], strict=True)
    ]
    for number, (low, high) in enumerate(zip(ENTROPIES[:-1], ENTROPIES[1:], strict=True)):
        inside = (entropies >= low) & (entropies < high) & seen.rest
        rates = np.array([100 * w[i].mean() for w, i in zip(wrong, inside, strict=True) if i.any()])
        share = 100 * inside.sum() / seen.rest.sum()
        if not len(rates):
            continue
        mean, half = mean_and_interval(rates)
        is_kept = mean <= worst
        colour = COLOURS["sky" if is_kept else "vermillion"]
        axes.bar(number, mean, color=colour, edgecolor="black", linewidth=0.5, hatch=None if is_kept else "///")
        axes.errorbar(
            number, mean, yerr=[[min(half, mean)], [min(half, 100 - mean)]], color="black", capsize=3, linewidth=1
        )
        top = min(mean + half, 100) if np.isfinite(half) else mean
        axes.annotate(
            f"{mean:.1f} %", (number, top), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=8
        )
        names[number] += f"\n({share:.0f} %)"
    axes.set_xticks(range(len(names)), names, fontsize=7)
    axes.set(xlabel="entropy in nats (share of the points)", ylabel="% wrong", title="Uncertain means wrong")
    axes.margins(y=0.12)
    axes.text(0.04, 0.96, f"hatched: more than {worst:.0f} % wrong", transform=axes.transAxes, fontsize=8, va="top")


def _draw_reliability(axes, seen: Seen) -> None:
    """Share of right labels in bins of confidence."""
    confidence, right = seen.probs.max(axis=-1)[seen.rest], ~_wrong(seen)[seen.rest]
    edges = np.linspace(0, 1, 11)
    bins = np.clip(np.digitize(confidence, edges) - 1, 0, 9)
    counts = np.bincount(bins, minlength=10)
    filled = counts >= 20
    mean_confidence = np.bincount(bins, confidence, minlength=10)[filled] / counts[filled]
    accuracy = np.bincount(bins, right, minlength=10)[filled] / counts[filled]
    axes.plot([0, 100], [0, 100], color="0.6", linestyle="--", linewidth=1)
    sizes = 25 + 400 * counts[filled] / counts.sum()
    axes.plot(100 * mean_confidence, 100 * accuracy, color=COLOURS["blue"], linewidth=1)
    axes.scatter(100 * mean_confidence, 100 * accuracy, s=sizes, color=COLOURS["blue"], alpha=0.7)
    axes.text(0.04, 0.93, "above the line:\nunderconfident", transform=axes.transAxes, fontsize=8, va="top")
    axes.set(xlabel="confidence in %", ylabel="% right", title="Reliability (size: number)")
    axes.set(xlim=(0, 102), ylim=(0, 102))


def _draw_promises(axes, promises: pd.DataFrame) -> None:
    """Share of the pool that a model may label automatically, against the number of labels by a person."""
    styles = dict(zip(promises["strategy"].unique(), ("--", "-"), strict=False))
    marks = dict(zip(promises["promised"].unique(), PROMISES, strict=False))
    for (strategy, promised), part in promises.groupby(["strategy", "promised"], sort=False):
        error = float(str(promised))
        coverage = 100 * part.groupby("num_labelled")["coverage"].mean()
        label = f"{strategy}, ≤ {100 * error:.0f} %"
        colour, marker = marks[promised]
        axes.plot(coverage.index, coverage, styles[strategy], color=colour, marker=marker, markersize=4, label=label)
    axes.set(xlabel="labels by a person", ylabel="% of the rest labelled automatically", ylim=(-3, 103))
    axes.set_title("What need not be asked")
    axes.legend(frameon=False, fontsize=8, handlelength=3.5)
    axes.grid(alpha=0.3)


def _draw_images(figure, seen: Seen) -> None:
    """Images of the first run that has automatic labels: right ones, points to ask about, and wrong ones."""
    error = max(seen.kinds)
    # A run in which no threshold satisfies the promise has no automatic labels.
    run = int((seen.kinds[error] == Kind.AUTOMATIC).any(axis=1).argmax())
    kind, probs = seen.kinds[error][run], seen.probs[run]
    entropy, said = seen.scores["max_entropy"][run], probs.argmax(axis=-1)
    automatic = np.flatnonzero(kind == Kind.AUTOMATIC)
    automatic = automatic[np.argsort(entropy[automatic], kind="stable")]
    wrong = automatic[said[automatic] != seen.labels[automatic]]
    right = automatic[said[automatic] == seen.labels[automatic]]
    asked = np.flatnonzero(kind == Kind.ASK)
    spread = right[np.unique(np.linspace(0, max(len(right) - 1, 0), NUM_IMAGES).astype(int))] if len(right) else right
    rows = (
        (f"Automatic labels that are right: {len(right)} (from the most to the least certain)", spread),
        ("Asks a person about these", asked[np.argsort(-entropy[asked], kind="stable")][:NUM_IMAGES]),
        (f"Automatic labels that are wrong: {len(wrong)} (at most {100 * error:.0f} % promised)", wrong[:NUM_IMAGES]),
    )
    for part, (title, points) in zip(figure.subfigures(3, 1), rows, strict=True):
        part.suptitle(title, fontsize=11, x=0.01, ha="left", fontweight="bold")
        for axes, index in zip(
            part.subplots(1, NUM_IMAGES), [*points, *[None] * (NUM_IMAGES - len(points))], strict=True
        ):
            axes.set_axis_off()
            if index is None:
                continue
            image = seen.images[index]
            axes.imshow(image[..., 0] if image.shape[-1] == 1 else image, cmap="gray_r")
            name, truth = seen.label_names[said[index]], seen.label_names[seen.labels[index]]
            is_right = said[index] == seen.labels[index]
            text = f"{name}, {100 * probs[index].max():.0f} %" + ("" if is_right else f"\nis {truth}")
            axes.set_title(text, fontsize=7.5, color="black" if is_right else COLOURS["vermillion"], pad=2)
