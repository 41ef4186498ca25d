"""The study of the sources of randomness: shares of a known model, runs that a comparison needs, and keys."""

from itertools import product

import jax
import numpy as np
import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

import bal
from experiments.randomness import results, study


def frame_of(areas):
    """Flat curves with the given areas: a strategy each, from the number of the key of each source."""
    rows = [
        {
            "strategy": name,
            **dict(zip(results.SOURCES, numbers, strict=True)),
            "num_labelled": labels,
            "accuracy": value,
        }
        for name, of in areas.items()
        for numbers in product(range(3), repeat=len(results.SOURCES))
        for value in [of(*numbers)]
        for labels in (20, 30)
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


@pytest.fixture
def frame():
    noise = np.random.default_rng(0).normal(0, 0.01, (3, 3, 3, 3))
    return frame_of(
        {
            "random": lambda initial, network, batches, draws: 0.5 + 0.1 * initial,
            "margin": lambda initial, network, batches, draws: (
                0.6 + 0.1 * initial + noise[initial, network, batches, draws]
            ),
        }
    )


def test_shares_are_those_of_the_sources_that_made_the_areas(frame):
    found = results.variances(frame)
    assert found["random"]["initial"] == pytest.approx(0.01)
    assert found["random"].drop("initial").to_numpy() == pytest.approx(0, abs=1e-12)
    assert found["margin"]["initial"] == pytest.approx(0.01, rel=0.2)
    # What pairs share is gone from their difference.
    assert found["margin less random"]["initial"] < 1e-4
    assert found["margin less random"][results.TOGETHER] == pytest.approx(1e-4, rel=0.3)
    said = results.sentences(frame)
    assert "random: most of one source comes from initial, 100% of the variance" in said


def test_runs_needed_are_those_of_the_normal_approximation(frame):
    total = results.variances(frame).sum()
    needed = results.runs_needed(frame, 0.02).loc["margin"]
    # Twice 1.4 standard errors: z of .975 and of .8.
    assert needed["unpaired"] == int(np.ceil(7.851 * (total["margin"] + total["random"]) / 0.02**2))
    assert needed["paired"] == max(2, int(np.ceil(7.851 * total["margin less random"] / 0.02**2)))
    assert needed["unpaired"] > 50 * needed["paired"]


def test_a_source_changes_its_own_keys_only():
    numbers = dict.fromkeys(results.SOURCES, 0)
    first, other = study.keys_of(numbers), study.keys_of(numbers | {"draws": 1})
    differ = {
        name
        for name, a, b in zip(bal.split_keys(jax.random.key(0))._fields, first, other, strict=True)
        if (jax.random.key_data(a) != jax.random.key_data(b)).any()
    }
    assert differ == {"samples", "targets", "selection"}


def test_a_tiny_study_writes_its_table_and_continues(tmp_path, monkeypatch, capsys):
    study.main(study.Study(tiny=True, output=tmp_path))
    frame = pd.read_parquet(tmp_path / "metrics.parquet")
    assert frame.groupby("strategy").size().to_dict() == {"random": 32, "margin": 32}
    assert (tmp_path / "shares.png").stat().st_size > 5_000
    monkeypatch.setattr(study, "_learner", None)
    study.main(study.Study(tiny=True, output=tmp_path))
    assert "pairs of runs" in capsys.readouterr().out
