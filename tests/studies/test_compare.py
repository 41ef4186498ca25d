"""The comparison from its settings to its files: continued runs, extended grids, errors before any work."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

from bal import StepInfo
from bal.posteriors import POSTERIORS, FitInfo
from bal.selection import Selection
from bal.studies import cells, compare, grid, learners, tasks
from bal.studies.learners import _optimizer
from bal.studies.models import FACTORIES, is_classifier
from bal.studies.settings import ModelSettings, Settings
from bal.types import Batch
from tests.studies.small import SMALL

ROOT = Path(__file__).parents[2]
TEN = tasks.Task(10, classes=True)
FILES = ("metrics.parquet", "acquisitions.parquet")


def contents(folder):
    return [(folder / name).read_bytes() for name in FILES]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    compare.main(SMALL.with_values(output=folder))
    return folder


def test_tables_are_tidy_and_complete(finished):
    metrics = pd.read_parquet(finished / "metrics.parquet")
    assert list(metrics.columns) == [
        "dataset", "posterior", "strategy", "seed", "round", "num_labelled", "metric", "value",
    ]  # fmt: skip
    accuracy = metrics[metrics["metric"] == "accuracy"]
    assert len(accuracy) == 2 * 3 * 3
    assert sorted(accuracy["num_labelled"].unique()) == [6, 8, 10]
    assert metrics["value"].notna().all()
    asked = pd.read_parquet(finished / "acquisitions.parquet")
    assert list(asked.columns) == ["strategy", "seed", "round", "rank", "index", "score"]
    assert (asked.groupby(["strategy", "seed"])["index"].nunique() == 6).all()
    assert (finished / "learning_curves.png").stat().st_size > 10_000
    seconds = pd.read_parquet(finished / "seconds.parquet")
    # 60 points and 40 test points of 64 pixels, and what is computed of them.
    assert (seconds["memory"] > 100 * 64 * 4).all()
    assert (seconds.groupby("strategy")["memory"].nunique() == 1).all()


def test_strategies_are_paired_by_their_initial_sets(finished):
    metrics = pd.read_parquet(finished / "metrics.parquet")
    first = metrics[metrics["round"] == 0].pivot_table(index=["seed", "metric"], columns="strategy", values="value")
    # Two programs, which may round in different ways; another initial set changes the second digit.
    np.testing.assert_allclose(first["random"], first["bald"], rtol=1e-5)
    assert first.xs("nll", level="metric")["random"].nunique() == 3


def interrupt_at(monkeypatch, strategy, number):
    """Interrupt the run before the checkpoint of a round."""
    check = cells._check_round

    def interrupt(info, name, done, group):
        check(info, name, done, group)
        if (name, done) == (strategy, number):
            raise KeyboardInterrupt

    monkeypatch.setattr(cells, "_check_round", interrupt)


def test_an_interrupted_run_continues_to_identical_files(finished, tmp_path, monkeypatch):
    interrupt_at(monkeypatch, "bald", 1)
    with pytest.raises(KeyboardInterrupt):
        compare.main(SMALL.with_values(output=tmp_path))
    assert not (tmp_path / "metrics.parquet").exists()
    monkeypatch.undo()
    compare.main(SMALL.with_values(output=tmp_path))
    assert contents(tmp_path) == contents(finished)


def test_a_running_process_has_its_folder_alone_and_a_killed_one_continues_to_identical_files(
    finished, tmp_path, capsys
):
    options = "--num-pool 60 --num-test 40 --hidden-sizes 16 --num-steps 10 --num-samples 4 --num-initial 6"
    options += " --num-rounds 3 --batch-size 2 --num-seeds 3 --seeds-at-once 2"
    command = [sys.executable, "-m", "experiments.compare", *options.split(), "--output", str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.time() + 120
    while not list(tmp_path.glob("checkpoints/random/00000.npz")) and time.time() < deadline:
        time.sleep(0.05)
    with pytest.raises(ValueError, match=f"no other writer of {tmp_path}, got process {process.pid}"):
        grid.run_grid(SMALL.with_values(output=tmp_path))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "metrics.parquet").exists()
    # The options gave these settings: others would be refused.
    compare.main(SMALL.with_values(output=tmp_path))
    assert "learning_curves.png" in capsys.readouterr().out
    assert contents(tmp_path) == contents(finished)


def test_a_grid_extended_along_each_side_equals_the_whole_grid(finished, tmp_path):
    compare.main(SMALL.with_values(output=tmp_path, strategies=("random",), num_seeds=2, num_rounds=2))
    compare.main(SMALL.with_values(output=tmp_path, strategies=("random",), num_seeds=3, num_rounds=2))
    compare.main(SMALL.with_values(output=tmp_path, strategies=("bald",), num_seeds=1, num_rounds=3))
    compare.main(SMALL.with_values(output=tmp_path))
    assert contents(tmp_path) == contents(finished)


def test_the_programs_of_a_strategy_that_is_done_are_dropped(finished, tmp_path, monkeypatch):
    """A process may hold only so many."""
    held, works = [], []

    def note(settings, cell, work, show):
        if not works:  # those of these tests are in another place
            works.append(work)
            work.programs.update(random=None, bald=None)
        held.append((cell.strategy, list(work.programs)))
        return cells.Unit(cell.strategy, cell.seeds, None, [], None)

    monkeypatch.setattr(grid, "run_cell", note)
    grid.run_grid(SMALL.with_values(output=tmp_path, strategies=("random", "bald")))
    assert held == [("random", ["random", "bald"])] * 2 + [("bald", ["bald"])] * 2
    assert works[0].programs == {}


def test_fewer_rounds_can_be_asked_of_an_interrupted_run(finished, tmp_path, monkeypatch):
    settings = SMALL.with_values(output=tmp_path, strategies=("random",))
    interrupt_at(monkeypatch, "random", 1)
    with pytest.raises(KeyboardInterrupt):
        grid.run_grid(settings)
    monkeypatch.undo()
    # The first group has room for the labels of three rounds; the second, which had not begun, for those of two.
    fewer = grid.run_grid(settings.with_values(num_rounds=2))
    whole = grid.run_grid(settings.with_values(output=finished))
    for some, unit in zip(fewer, whole, strict=True):
        np.testing.assert_array_equal(some.info.selection.indices, unit.info.selection.indices[:2])


def test_another_configuration_in_the_same_folder_is_refused(finished):
    before = contents(finished)
    with pytest.raises(ValueError, match="num_steps 10 there, 20 here"):
        compare.main(SMALL.with_values(output=finished, num_steps=20))
    assert contents(finished) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "digit"}, "digits"),
        ({"num_rounds": 100}, "label budget"),
        ({"posterior": "deep_ensemble", "num_samples": 9}, "num_samples between 1 and 5"),
    ],
)
def test_what_does_not_fit_the_data_is_refused_before_a_folder_is_written(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        compare.main(SMALL.with_values(output=tmp_path / "new", **change))
    assert not (tmp_path / "new").exists()


def test_a_nan_stops_the_command_with_its_round_and_seed(tmp_path):
    with pytest.raises(FloatingPointError, match="strategy random, round 0, seed 0"):
        compare.main(SMALL.with_values(output=tmp_path, optimizer="sgd", learning_rate=float("inf")))


def test_epochs_give_each_round_its_own_number_of_steps(tmp_path):
    epochs = SMALL.with_values(output=tmp_path, strategies=("random",), num_seeds=2, num_epochs=2, minibatch_size=4)
    (unit,) = grid.run_grid(epochs)
    # Labels are 6, 8 and 10: two, two and three minibatches of four.
    assert unit.info.fit.num_steps[:, 0].tolist() == [4, 4, 6]


def test_sgd_with_l2_and_a_drop_is_that_of_the_protocol():
    optimizer = _optimizer(ModelSettings(optimizer="sgd", learning_rate=0.1, l2=0.05, drop_at=0.5, num_steps=4))
    params = {"kernel": jnp.array([2.0, -1.0]), "bias": jnp.array([0.5])}
    state = optimizer.init(params)
    expected, velocity = jax.tree.map(np.asarray, params), jax.tree.map(np.zeros_like, params)
    for rate in (0.1, 0.1, 0.01, 0.01):
        gradients = jax.tree.map(jnp.sin, params)
        updates, state = optimizer.update(gradients, state, params)
        # As PyTorch has it: decay goes into the momentum, the learning rate does not.
        velocity = jax.tree.map(lambda v, p: 0.9 * v + np.sin(p) + 0.05 * p, velocity, expected)
        expected = jax.tree.map(lambda p, v, rate=rate: p - rate * v, expected, velocity)
        params = optax.apply_updates(params, updates)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), params, expected)


@pytest.mark.parametrize("name", [name for name in POSTERIORS if is_classifier(FACTORIES[name])])
def test_every_registered_classifier_can_be_built_from_the_settings(name):
    assert learners.build_posterior(Settings(), name, TEN).init


def test_a_regression_is_refused_for_classes():
    with pytest.raises(ValueError, match="'gaussian_process', which is a regression"):
        learners.build_posterior(SMALL, "gaussian_process", TEN)


def test_chains_that_have_not_converged_are_warned_of_with_their_figures():
    posterior = learners.build_posterior(
        SMALL.with_values(hidden_sizes=(2,)), "numpyro_mcmc", tasks.Task(2, classes=True)
    )
    key, batch = jax.random.key(0), Batch(jnp.ones((4, 3)), jnp.zeros(4, jnp.int32), jnp.ones(4))
    _, fit = jax.eval_shape(posterior.fit, key, jax.eval_shape(posterior.init, key, batch), batch)
    # What is not in the diagnostics would never be warned of.
    assert set(cells.CONVERGED) <= set(fit.diagnostics)
    fit = FitInfo(*np.zeros((3, 2)), {"r_hat": np.array([1.01, 1.2]), "num_divergences": np.array([3, 0])})
    info = StepInfo(np.full(2, 6), Selection(*np.zeros((3, 2))), {}, fit, None)
    with pytest.warns(UserWarning, match=r"bald, round 7: .*") as warned:
        cells._check_round(info, "bald", 7, [0, 1])
    figures = [str(warning.message) for warning in warned]
    assert figures == [
        "bald, round 7: r_hat is 1.2, above 1.05",
        "bald, round 7: num_divergences is 3, above 0",
    ]
