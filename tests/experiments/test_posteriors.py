"""The page of posteriors: every registered one can be set up, and a small page is written."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("tyro", reason="needs the extra 'studies'")

from bal.posteriors import POSTERIORS
from experiments.posteriors import study as posteriors
from experiments.posteriors.problems import build, problems


@pytest.mark.parametrize("name", POSTERIORS)
def test_every_registered_posterior_has_default_settings(name):
    built = [build(name, problem) for problem in problems().values()]
    # A posterior is left out where it is for real labels only, never on the regression.
    assert built[-1] is not None


def test_points_from_elsewhere_are_not_like_the_labelled_ones():
    for problem in problems().values():
        known, far = (
            np.asarray(inputs).reshape(len(inputs), -1) for inputs in (problem.test_inputs, problem.far_inputs)
        )
        nearest = np.linalg.norm(far[:, None] - known[None], axis=-1).min(axis=1)
        assert nearest.min() > 0.1


def test_the_page_and_its_tables_are_written(tmp_path, capsys):
    chosen = ("bayesian_linear", "point_estimate")
    frame = posteriors.main(posteriors.Settings(posteriors=chosen, num_steps=5, output=tmp_path))
    assert (tmp_path / "posteriors.png").stat().st_size > 10_000
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "posteriors.parquet"), frame)
    auroc = frame[(frame["posterior"] == "point_estimate") & (frame["metric"] == "auroc")]["value"]
    # One draw agrees with itself everywhere.
    np.testing.assert_allclose(auroc, 0.5)
    assert "bayesian_linear" in capsys.readouterr().out


def test_an_unknown_posterior_is_named_with_the_nearest(tmp_path):
    with pytest.raises(ValueError, match="expected posterior to be one of 'mc_dropout', .*'mc_dropuot'"):
        posteriors.main(posteriors.Settings(posteriors=("mc_dropuot",), output=tmp_path))
