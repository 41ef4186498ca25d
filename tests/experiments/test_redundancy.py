"""The study of copies: what it counts, and that it runs."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

from bal.studies.learners import load_dataset
from experiments.redundancy import results, study


def test_one_command_writes_what_can_be_drawn_again(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "STRATEGIES", ("random", "bald"))
    monkeypatch.setattr(study, "plot_picks", lambda *_, **__: None)  # another fit, which takes seconds
    tiny = study.Study(num_seeds=2, num_rounds=2, num_samples=4, output=tmp_path)
    settings_of = study.settings_of
    monkeypatch.setattr(study, "settings_of", lambda it: settings_of(it).with_values(num_steps=4, hidden_sizes=(8,)))
    study.main(tiny)
    asked = pd.read_parquet(tmp_path / "acquisitions.parquet")
    assert len(asked) == 2 * 2 * 2 * 10
    labels = np.asarray(load_dataset(study.settings_of(tiny)).pool_labels)
    assert asked["original"].max() < len(labels) / 4 <= asked["index"].max()
    np.testing.assert_array_equal(labels[asked["index"]], labels[asked["original"]])
    (tmp_path / "learning_curves.png").unlink()
    accuracies, originals = study.write_results(tmp_path)
    assert (tmp_path / "learning_curves.png").exists()
    assert accuracies.row_count == originals.row_count == 2


def test_copies_count_once_in_a_batch_and_again_in_the_next():
    rows = [
        ("bald", seed, done, original) for seed in (0, 1) for done in (0, 1) for original in (3, 3, 5 + seed * done)
    ]
    rows[1] = ("bald", 0, 0, 4)
    asked = pd.DataFrame(rows, columns=["strategy", "seed", "round", "original"])
    table = results.originals_table(asked)
    assert list(table.columns[1].cells) == ["2.2 ± 3.2"]  # 3 and 2 of the first seed, 2 and 2 of the second
