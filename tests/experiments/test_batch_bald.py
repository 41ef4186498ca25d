"""The study of BatchBALD on copies: one command, one change a factor, and the rule that was fixed before."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

from bal.studies.settings import flat_values
from experiments.batch_bald import results, study
from experiments.batch_bald.study import FACTORS, Study, settings_of
from tests.studies.frames import metrics_of


def frame_of(gains):
    """Metrics of factors whose BatchBALD is constantly above random by what each seed gains."""
    parts = []
    for name, by_seed in gains.items():
        values = {"random": [(0.5,) * 3] * len(by_seed), "batch_bald": [(0.5 + gain,) * 3 for gain in by_seed]}
        parts.append(metrics_of(values).assign(factor=name))
    return pd.concat(parts)


def test_one_command_writes_the_gains_of_each_factor(tmp_path, capsys):
    chosen = ("base", "smaller_pool")
    study.main(Study(factors=chosen, num_seeds=2, tiny=True, output=tmp_path))
    metrics = pd.read_parquet(tmp_path / "metrics.parquet")
    counts = metrics[metrics["metric"] == "accuracy"].groupby(["factor", "strategy"]).size()
    assert counts.to_dict() == {(name, rule): 6 for name in chosen for rule in ("random", "batch_bald")}
    assert (tmp_path / "gains.png").stat().st_size > 5_000
    printed = capsys.readouterr().out
    assert "BatchBALD is ahead of random with:" in printed
    assert "no single factor is shown to be the reason" in printed


@pytest.mark.parametrize("name", [name for name in FACTORS if name != "base"])
def test_a_factor_changes_what_it_says_and_nothing_else(name):
    changes, against = FACTORS[name]
    changed, compared = (flat_values(settings_of(Study(), each)) for each in (name, against))
    different = {key for key in changed if changed[key] != compared[key]} - {"output"}
    assert different == set(changes)
    assert {key: changed[key] for key in changes} == changes


def test_the_reason_matters_and_puts_batch_bald_ahead():
    noise = np.random.default_rng(0).normal(size=10) * 1e-3
    frame = frame_of(
        {"base": noise, "paper_noise": noise + 0.04 + noise[::-1], "no_copies": noise - 0.05, "more_steps": noise[::-1]}
    )
    against = {name: "" if name == "base" else "base" for name in frame["factor"].unique()}
    changed = results.changes(frame, against)
    # Ten of ten in one direction have a p-value of 2 / 1024; three factors are tested.
    for name in ("paper_noise", "no_copies"):
        assert changed[name].p_value == pytest.approx(2 / 1024)
        assert changed[name].p_holm == pytest.approx(3 * 2 / 1024)
    assert changed["more_steps"].p_holm > 0.05
    assert results.sentences(frame, against) == [
        "BatchBALD is ahead of random with: paper_noise; behind with: no_copies; level with the others",
        "factors that matter: paper_noise, no_copies",
        "the reason: paper_noise",
    ]
    table = results.gains_table(frame, against)
    columns = {str(column.header): list(column.cells) for column in table.columns}
    assert columns["gain"][0].startswith(("+0.000", "-0.000", "+0.001", "-0.001"))
    assert columns["seeds ahead"][1:3] == ["10 of 10", "0 of 10"]
    assert columns["after Holm"][1:3] == ["0.006", "0.006"]
    assert columns["p"] == ["", "0.002", "0.002", f"{changed['more_steps'].p_value:.3f}"]


def test_a_factor_whose_control_has_not_run_is_not_tested():
    frame = frame_of({"base": [0.1, 0.2], "paper_network": [0.1, 0.3]})
    assert results.changes(frame, {"base": "", "paper_network": "fewer_draws"}) == {}


def test_an_unknown_factor_is_refused(tmp_path):
    with pytest.raises(ValueError, match="paper_noise"):
        study.main(Study(factors=("papers_noise",), output=tmp_path / "new"))
    assert not (tmp_path / "new").exists()
