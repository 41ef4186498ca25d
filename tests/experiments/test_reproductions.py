"""Published comparisons run again: papers are consistent, verdicts follow the rule, one command writes the result."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

from bal.strategies import STRATEGIES
from bal.studies.settings import flat_values
from experiments.reproductions import results, study, target_sets
from experiments.reproductions.paper import Claim, Paper, Published
from experiments.reproductions.papers import PAPERS
from experiments.reproductions.study import Study, settings_of
from tests.studies.frames import metrics_of

PAPER = Paper(
    title="Nobody 2026: a paper",
    protocol={"strategies": ("random", "max_entropy"), "posterior": "point_estimate"},
    variants={"two layers": {}, "less dropout": {"dropout_rate": 0.1}},
    small={},
    claims=(Claim(("two layers", "max_entropy"), ("two layers", "random")),),
    published=(Published("the paper", "two layers", {"random": {20: 0.99, 500: 0.99}}),),
)


@pytest.mark.parametrize("name", PAPERS)
def test_figures_and_claims_are_of_curves_that_are_run(name):
    paper = PAPERS[name]
    run = {
        (variant, strategy)
        for variant in paper.variants
        for strategy in settings_of(Study(paper=name), variant).run.strategies
    }
    assert {strategy for _, strategy in run} <= set(STRATEGIES)
    assert {curve for claim in paper.claims for curve in claim} <= run
    assert {(each.variant, strategy) for each in paper.published for strategy in each.accuracy} <= run
    for variant, changes in paper.variants.items():
        small = flat_values(settings_of(Study(paper=name, small=True), variant))
        assert {key: small[key] for key in changes} == changes


def test_one_command_writes_metrics_and_says_what_holds(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(PAPERS, "nobody", PAPER)
    study.main(Study(paper="nobody", tiny=True, output=tmp_path))
    metrics = pd.read_parquet(tmp_path / "metrics.parquet")
    counts = metrics[metrics["metric"] == "accuracy"].groupby(["variant", "strategy"]).size()
    assert counts.to_dict() == {(v, s): 4 for v in PAPER.variants for s in ("random", "max_entropy")}
    assert (tmp_path / "less_dropout.png").stat().st_size > 5_000
    printed = capsys.readouterr().out
    assert "1 published figures: " in printed
    assert "max_entropy above random (two layers):" in printed


def test_verdicts_follow_the_rule():
    spread = np.array([-0.05, 0.0, 0.05])
    values = {
        "random": [(0.5, 0.55, value) for value in 0.6 + spread],
        "max_entropy": [(0.5, 0.65, value) for value in 0.8 + spread],
    }
    frame = metrics_of(values).assign(variant="two layers")
    counts = sorted(frame["num_labelled"].unique())
    published = {"random": {counts[0]: 0.519, counts[2]: 0.65}, "max_entropy": {counts[0]: 0.53, 10_000: 0.9}}
    paper = PAPER._replace(published=(Published("the paper", "two layers", published),))
    found = results.beside_published(frame, paper)
    # Within .02; within the interval, .124 wide; outside an interval of no width; a number of labels that was not run.
    assert [each.verdict for each in found] == ["agrees", "open", "differs"]
    assert results.counted(found) == "3 published figures: 1 agree, 1 differ, 1 open"
    (said,) = results.claim_sentences(frame, paper)
    assert said.startswith("max_entropy above random (two layers): holds, +0.1000 ± 0.0000")


def test_pools_and_targets_of_epig():
    unbalanced, redundant = target_sets.unbalanced(), target_sets.redundant()
    counts = np.bincount(np.asarray(unbalanced.pool_labels))
    assert (counts[:5] < 0.15 * counts[5:].min()).all()
    assert len(unbalanced.target_inputs) == len(redundant.target_inputs) == target_sets.NUM_TARGETS
    assert set(np.asarray(redundant.test_labels).tolist()) == {0, 1}
    assert set(np.asarray(redundant.pool_labels).tolist()) == {0, 1, 2}
    pool = {image.tobytes() for image in np.asarray(redundant.pool_inputs)}
    assert not pool & {image.tobytes() for image in np.asarray(redundant.target_inputs)}


def test_unknown_papers_and_variants_are_refused(tmp_path):
    with pytest.raises(ValueError, match="--paper"):
        study.main(Study(paper="gal_2018", output=tmp_path / "a"))
    with pytest.raises(ValueError, match="--variants"):
        study.main(Study(paper="gal_2017", variants=("bayes",), output=tmp_path / "a"))
    assert not (tmp_path / "a").exists()
