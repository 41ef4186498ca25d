"""Learning curves: what is drawn of how many strategies, and that lines differ by more than their colour."""

import matplotlib
import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="needs the extra 'studies'")

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from bal.studies import COLOURS, line_styles, plot_curves, save_picture
from tests.studies.frames import metrics_of


def runs_of(num_strategies, num_seeds=2, metric="accuracy"):
    """The frame of random and others; the last strategy ends highest."""
    names = ["random", *(f"rule {number}" for number in range(1, num_strategies))]
    return metrics_of(
        {
            name: [(0.5, 0.6 + 0.02 * k, 0.7 + 0.02 * k + 0.01 * seed) for seed in range(num_seeds)]
            for k, name in enumerate(names)
        },
        metric,
    )


def curves_of(ax):
    return [line for line in ax.lines if not line.get_label().startswith("_")]


@pytest.mark.parametrize(("num_strategies", "num_bands", "num_bars"), [(1, 1, 0), (4, 4, 0), (5, 0, 5), (8, 0, 8)])
def test_few_curves_have_bands_and_more_have_bars_beside_them(num_strategies, num_bands, num_bars):
    (ax,) = plot_curves(runs_of(num_strategies)).axes
    assert len(curves_of(ax)) == num_strategies
    assert len(ax.collections) - len(ax.containers) == num_bands
    assert len(ax.containers) == num_bars


def test_many_strategies_have_a_panel_each_with_the_baseline_in_grey():
    figure = plot_curves(runs_of(10))
    panels = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title() for ax in panels] == [f"rule {number}" for number in range(9, 0, -1)]
    for ax in panels:
        own, baseline = curves_of(ax)
        assert (own.get_label(), baseline.get_label()) == (ax.get_title(), "random")
        assert len(set(to_rgb(baseline.get_color()))) == 1
        assert baseline.get_linestyle() == "--"
        assert len(ax.collections) == 2
    with pytest.raises(ValueError, match="at most 7 strategies beside the baseline on given axes, got 9: leave out ax"):
        plot_curves(runs_of(10), ax=Figure().subplots())


def test_without_a_baseline_eight_strategies_are_too_many_for_a_panel():
    figure = plot_curves(runs_of(8), baseline="absent")
    assert len(figure.axes) == 8
    assert figure.get_suptitle() == "digits, mc_dropout, 2 seeds: mean and 95 % interval"


def test_one_seed_has_no_interval_and_the_title_says_so():
    for num_strategies in (3, 6):
        (ax,) = plot_curves(runs_of(num_strategies, num_seeds=1)).axes
        assert ax.get_title() == "digits, mc_dropout, 1 seed, no interval"
        assert not ax.containers
        assert not any(band.get_paths() for band in ax.collections)


def test_the_legend_is_in_the_order_of_the_last_values():
    (ax,) = plot_curves(runs_of(6)).axes
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["rule 5", "rule 4", "rule 3", "rule 2", "rule 1", "random"]


@pytest.mark.parametrize(("metric", "label"), [("accuracy", "higher"), ("rmse", "lower")])
def test_the_axis_says_which_values_are_better(metric, label):
    (ax,) = plot_curves(runs_of(2, metric=metric)).axes
    assert ax.get_ylabel() == f"test {metric} ({label} is better)"


def test_a_round_has_its_interval_too():
    frame = runs_of(2)
    (ax,) = plot_curves(frame[frame["round"] == 0]).axes
    assert len(ax.containers) == 2


def test_given_axes_are_drawn_on():
    axes = Figure().subplots(1, 2)
    figure = plot_curves(runs_of(2), ax=axes[1], title="mine")
    assert figure is axes[0].figure
    assert (len(axes[0].lines), axes[1].get_title()) == (0, "mine")


def test_the_same_picture_is_the_same_file(tmp_path):
    for name in ("first.png", "second.png"):
        save_picture(plot_curves(runs_of(3)), tmp_path / name, dpi=50)
    first, second = ((tmp_path / name).read_bytes() for name in ("first.png", "second.png"))
    assert first == second
    assert matplotlib.__version__.encode() not in first


def test_lines_differ_in_colour_style_and_marker():
    styles = line_styles([f"rule {number}" for number in range(7)]).values()
    for key in ("color", "linestyle", "marker"):
        assert len({style[key] for style in styles}) == 7


@pytest.mark.parametrize(
    "simulated",
    [
        # Protanopia and deuteranopia, in linear RGB (Vienot, Brettel and Mollon 1999).
        [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
        [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    ],
    ids=["protanopia", "deuteranopia"],
)
def test_colours_can_be_told_apart_without_red_or_green_cones(simulated):
    linear = np.array([to_rgb(colour) for colour in COLOURS.values()]) ** 2.2
    seen = np.clip(linear @ np.array(simulated).T, 0, 1) ** (1 / 2.2)
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + np.eye(len(seen))
    assert distances.min() > 0.1
