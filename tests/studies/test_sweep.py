"""Sweeps of settings: their cells, the comparisons that they are, and what is shown of all of them."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("tyro", reason="needs the extra 'studies'")

from bal.studies import compare, console, sweep
from bal.studies._sweep_results import plot_sweep, sweep_table
from bal.studies.settings import Settings, flat_values
from bal.studies.sweep import Comparison, cells_of
from tests.studies.frames import metrics_of

SMALL = Settings().with_values(
    strategies=("random",),
    num_pool=60,
    num_test=40,
    hidden_sizes=(16,),
    num_samples=4,
    num_initial=6,
    num_rounds=2,
    batch_size=2,
    num_seeds=2,
    seeds_at_once=2,
)
TABLES = ("metrics.parquet", "acquisitions.parquet")


def contents(folder):
    return [(folder / name).read_bytes() for name in TABLES]


def two_cells(values):
    """The frame of a sweep of dropout_rate, from the curves of each strategy in each cell."""
    return pd.concat([metrics_of(curves).assign(dropout_rate=rate) for rate, curves in values.items()])


FRAME = two_cells(
    {
        0.1: {"random": [(0.5, 0.5, 0.5), (0.6, 0.6, 0.6)], "bald": [(0.6, 0.6, 0.6), (0.8, 0.8, 0.8)]},
        0.5: {"random": [(0.1, 0.2, 0.3), (0.1, 0.2, 0.3)], "bald": [(0.1, 0.3, 0.5), (0.1, 0.3, 0.5)]},
    }
)


def test_cells_are_the_product_and_differ_by_nothing_but_their_values():
    cells = cells_of(SMALL, (("learning-rate", "None", "1e-2"), ("hidden_sizes", "8", "16 16")))
    chosen = [(cell.settings.model.learning_rate, cell.settings.model.hidden_sizes) for cell in cells]
    assert chosen == [(None, (8,)), (None, (16, 16)), (0.01, (8,)), (0.01, (16, 16))]
    # One type a column: numbers, or else text.
    assert cells[1].values == {"learning_rate": "None", "hidden_sizes": "16 16"}
    swept = dict.fromkeys(("learning_rate", "hidden_sizes", "output"))
    assert all({**flat_values(cell.settings), **swept} == {**flat_values(SMALL), **swept} for cell in cells)
    assert len({cell.settings.output for cell in cells}) == 4
    normalised = cells_of(SMALL, (("normalise", "True", "False"),))
    assert [cell.settings.data.normalise for cell in normalised] == [True, False]


def test_a_value_has_one_folder_however_it_is_written(tmp_path):
    settings = SMALL.with_values(output=tmp_path)
    (first,), (second,) = (cells_of(settings, (("dropout_rate", text),)) for text in ("0.10", ".1"))
    assert first == second
    (cell,) = cells_of(settings, (("dataset", "../tables/wine.csv"),))
    assert cell.settings.output.parent == tmp_path


@pytest.mark.parametrize(
    ("sweeps", "message"),
    [
        ((("dropout", "0.1"),), "the setting of --sweep.*dropout_rate"),
        ((("num_rounds", "2", "3"),), "the setting of --sweep"),
        ((("strategies", "random"),), "the setting of --sweep"),
        ((("seed", "0", "1"),), "the setting of --sweep"),
        (((),), "expected --sweep SETTING VALUE"),
        ((("dropout_rate", "0.1 --num-seeds 3"),), "values that --dropout-rate takes"),
        ((("num_steps",),), "expected values after --sweep num_steps, got none"),
        ((("num_steps", "2.5"),), "values that --num-steps takes after --sweep num_steps, got '2.5'"),
        ((("normalise", "maybe"),), "got 'maybe'"),
        ((("dropout_rate", ".1", "0.1"),), "each value of --sweep dropout_rate once, got 0.1 twice"),
        ((("num_steps", "2"), ("num-steps", "3")), "got num_steps twice"),
        ((("num_steps", "2"), ("seed", "3"), ("noise", "0")), "at most 2 times --sweep, got 3"),
        ((("num_steps", "10", "0"),), "--num-steps to be a whole number of at least 1, got 0"),
        ((("dropout_rate", "nan"),), "dropout_rate"),
    ],
)
def test_mistakes_are_one_sentence_before_anything_is_written(sweeps, message, tmp_path, capsys):
    with pytest.raises(ValueError, match=message):
        sweep.main(Comparison(SMALL.with_values(output=tmp_path / "new"), sweeps))
    assert not (tmp_path / "new").exists()
    assert capsys.readouterr().err == ""


def test_a_cell_is_the_comparison_with_its_values_and_more_values_extend_a_sweep(tmp_path, capsys):
    alone = tmp_path / "alone"
    compare.main(SMALL.with_values(num_steps=5, output=alone))
    settings = SMALL.with_values(output=tmp_path / "sweep")
    sweep.main(Comparison(settings, (("num_steps", "5"),)))
    first = tmp_path / "sweep" / "num_steps=5"
    assert contents(first) == contents(alone)
    (checkpoint,) = first.glob("checkpoints/random/*.npz")
    written = checkpoint.stat().st_mtime_ns
    sweep.main(Comparison(settings, (("num_steps", "5", "10"),)))
    assert checkpoint.stat().st_mtime_ns == written
    metrics = pd.read_parquet(tmp_path / "sweep" / "sweep.parquet")
    assert metrics["num_steps"].unique().tolist() == [5, 10]
    kept = metrics[metrics["num_steps"] == 5].drop(columns="num_steps")
    pd.testing.assert_frame_equal(kept, pd.read_parquet(first / "metrics.parquet"))
    assert (tmp_path / "sweep" / "sweep.png").stat().st_size > 5_000
    assert "Cell 2 of 2: num_steps=10" in capsys.readouterr().out


def test_the_table_has_areas_and_paired_differences_of_each_cell():
    table = sweep_table(FRAME, ["dropout_rate"])
    columns = {str(column.header): list(column.cells) for column in table.columns}
    assert columns["dropout_rate"] == ["0.1", "0.1", "0.5", "0.5"]
    assert columns["strategy"] == ["random", "bald"] * 2
    # Two runs: the interval is 12.706 times the standard error.
    assert columns["area"][:2] == ["0.5500 ± 0.6353", "0.7000 ± 1.2706"]
    assert columns["last"][2:] == ["0.300 ± 0.000", "0.500 ± 0.000"]
    assert columns["area less random"] == ["", "+0.1500 ± 0.6353", "", "+0.1000 ± 0.0000"]
    alone = sweep_table(FRAME[FRAME["strategy"] == "bald"], ["dropout_rate"])
    assert "area less random" not in {str(column.header) for column in alone.columns}


def test_lines_go_through_the_mean_areas():
    (ax,) = plot_sweep(FRAME, ["dropout_rate"]).axes
    heights = {bars.get_label(): bars.lines[0].get_ydata() for bars in ax.containers}
    np.testing.assert_allclose(heights["random"], [0.55, 0.2])
    np.testing.assert_allclose(heights["bald"], [0.7, 0.3])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.1", "0.5"]


def test_heat_maps_have_the_area_of_every_cell_in_its_place():
    frame = pd.concat([FRAME.assign(num_samples=8), FRAME.assign(num_samples=32, value=1 - FRAME["value"])])
    first, second, bar = plot_sweep(frame, ["dropout_rate", "num_samples"]).axes
    np.testing.assert_allclose(first.images[0].get_array(), [[0.55, 0.45], [0.2, 0.8]])
    np.testing.assert_allclose(second.images[0].get_array(), [[0.7, 0.3], [0.3, 0.7]])
    # One scale, so that colours can be compared.
    assert first.images[0].get_clim() == second.images[0].get_clim() == pytest.approx((0.2, 0.8))
    assert [label.get_text() for label in first.get_yticklabels()] == ["0.1", "0.5"]
    assert first.texts[0].get_text() == "0.55\n± 0.64"
    assert bar.get_ylabel() == "area under the test accuracy"


def test_the_command_takes_several_sweeps(monkeypatch):
    seen = []
    monkeypatch.setattr(sweep, "main", seen.append)
    command = "bal compare --strategies bald --sweep dropout_rate 0.1 0.3 --num-seeds 3 --sweep num_samples 8 32"
    monkeypatch.setattr("sys.argv", command.split())
    console.main()
    (comparison,) = seen
    assert comparison.sweep == (("dropout_rate", "0.1", "0.3"), ("num_samples", "8", "32"))
    assert (comparison.settings.run.strategies, comparison.settings.run.num_seeds) == (("bald",), 3)
