"""A comparison with noisy labels: its curves are against what was paid, and what the oracle did is in a table."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")


from bal.studies import compare, grid, oracle_frame
from bal.studies.learners import load_dataset
from tests.studies.small import SMALL

NOISY = SMALL.with_values(
    num_initial=10,
    num_rounds=4,
    batch_size=5,
    num_seeds=2,
    strategies=("random",),
    label_noise=0.3,
    abstention=0.2,
    relabel=2,
    relabel_certainty=0.0,
)


def test_curves_are_against_what_was_paid_and_the_oracle_has_a_table(tmp_path):
    settings = NOISY.with_values(output=tmp_path)
    compare.main(settings)
    metrics = pd.read_parquet(tmp_path / "metrics.parquet")
    assert sorted(metrics["num_labelled"].unique()) == [10, 15, 20, 25]
    frame = pd.read_parquet(tmp_path / "oracle.parquet")
    assert list(frame.columns) == [
        "strategy", "seed", "round", "num_labels", "num_asked", "num_abstained", "num_wrong", "cost",
    ]  # fmt: skip
    assert (frame["num_asked"] == 10 + 5 * frame["round"]).all()
    assert (frame["cost"] == frame["num_asked"]).all()
    # The rest of what was paid is the labels that were asked for again.
    again = frame["num_asked"] - frame["num_labels"] - frame["num_abstained"]
    assert again.max() > 0
    assert again.min() >= 0
    assert frame["num_wrong"].max() > 0

    # From checkpoints, and equal to the states.
    units = grid.run_grid(settings)
    pd.testing.assert_frame_equal(oracle_frame(settings, units), frame)
    state = units[0].state()
    truth = np.asarray(load_dataset(settings).pool_labels)
    for seed in range(2):
        last = frame[(frame["seed"] == seed) & (frame["round"] == 3)].iloc[0]
        held = state.pool.indices[seed, : last["num_labels"]]
        # Relabelled ones may have changed in the last batch.
        wrong = (state.pool.labels[seed, : last["num_labels"]] != truth[held]).sum()
        assert abs(wrong - last["num_wrong"]) <= 2


def test_labels_of_the_pool_have_no_such_table(tmp_path):
    compare.main(NOISY.with_values(output=tmp_path, num_rounds=1, label_noise=0.0, abstention=0.0, relabel=0))
    assert not (tmp_path / "oracle.parquet").exists()
