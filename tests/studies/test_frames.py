"""Tables of a finished grid: positives that were found."""

import numpy as np
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

from bal.studies import acquisitions_frame, found_frame, labels_to, run_grid, summary_table
from bal.studies.learners import load_dataset
from bal.studies.statistics import curves
from tests.studies.test_compare import SMALL


def test_positives_found_are_those_among_the_initial_points_and_all_asked_for_before(tmp_path):
    settings = SMALL.with_values(strategies=("random",), initial_set="balanced", num_initial=10, output=tmp_path)
    units, labels = run_grid(settings), np.asarray(load_dataset(settings).pool_labels)
    frame = found_frame(settings, units, labels, positive=7)
    assert frame.groupby("seed")["num_labelled"].apply(list).tolist() == [[10, 12, 14]] * 3
    asked = acquisitions_frame(settings, units)
    for seed in range(3):
        # A balanced start of 10 has one point of each class.
        found = [1]
        for done in range(2):
            chosen = asked[(asked["seed"] == seed) & (asked["round"] == done)]["index"].to_numpy()
            found.append(found[-1] + (labels[chosen] == 7).sum())
        shares = frame[frame["seed"] == seed]["value"].to_numpy()
        np.testing.assert_allclose(shares * (labels == 7).sum(), found, rtol=1e-6)
    table = summary_table(frame)
    assert table.title == "digits, mc_dropout, 3 seeds: positives found in the pool, higher is better"
    assert [str(column.header) for column in table.columns][-2:] == ["to 50%", "to 90%"]
    assert labels_to(curves(frame)["random"], 2.0) is None
    with pytest.raises(ValueError, match="points of class 10, got none of 60"):
        found_frame(settings, units, labels, positive=10)
