"""Whoever runs the cells, the results are the same to the bit; a failed cell is named and stops no other."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import jax
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

from bal.studies import compare, grid, remote
from bal.studies.cells import Cell
from bal.studies.checkpoints import checkpoint_path, read_checkpoint
from bal.studies.sole_writer import sole_writer
from tests.studies import plugin
from tests.studies.small import SMALL

DIES = "tests.studies.plugin:dies_elsewhere"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    compare.main(SMALL.with_values(output=folder))
    return folder


def assert_same_cells(folder, finished, strategies=("random", "bald"), firsts=(0, 2)):
    for strategy in strategies:
        for first in firsts:
            paths = (checkpoint_path(each, strategy, first) for each in (folder, finished))
            info, there = (read_checkpoint(path).info for path in paths)
            for a, b in zip(jax.tree.leaves(info), jax.tree.leaves(there), strict=True):
                assert a.tobytes() == b.tobytes()


def seen_rounds(monkeypatch):
    """Strategy, seeds and number of labels of every round that is shown."""
    seen = []

    @contextmanager
    def spy(total):
        assert total == 9
        yield lambda strategy, seeds, info: seen.append((strategy, *seeds, int(info.num_labelled[0])))

    monkeypatch.setattr(grid._progress, "progress", spy)
    return seen


def test_processes_write_the_files_of_one_process_and_one_that_dies_is_named(finished, tmp_path, monkeypatch):
    seen = seen_rounds(monkeypatch)
    two = SMALL.with_values(output=tmp_path, num_seeds=2)
    # The strategy that kills its process stands last: another process would take seconds to start, and that the next
    # call gets one is tested in tests/studies/test_executors.py.
    with pytest.raises(ChildProcessError, match=f"{DIES}, seeds 0 to 1: its process was killed, .* continues"):
        grid.run_grid(two.with_values(strategies=("random", "bald", DIES), executor="processes:2"))
    assert_same_cells(tmp_path, finished, firsts=(0,))
    assert sorted(seen) == [(name, 0, 1, labels) for name in ("bald", "random") for labels in (6, 8, 10)]
    monkeypatch.undo()
    # The last seed is run here.
    compare.main(SMALL.with_values(output=tmp_path))
    for name in ("metrics.parquet", "acquisitions.parquet"):
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes()


def test_any_executor_continues_what_is_there(finished, tmp_path):
    settings = SMALL.with_values(output=tmp_path, strategies=("random",), num_seeds=2)
    grid.run_grid(settings.with_values(num_rounds=1))
    with ThreadPoolExecutor(1) as executor:
        (unit,) = grid.run_grid(settings, executor=executor)
    assert unit.seeds == [0, 1]
    assert_same_cells(tmp_path, finished, ("random",), (0,))


def test_a_data_set_that_is_given_goes_along(tmp_path):
    strategies = "margin", "random"
    settings = SMALL.with_values(output=tmp_path, strategies=strategies, num_pool=None, num_test=None, num_seeds=1)
    with ThreadPoolExecutor(1) as executor:
        _, unit = grid.run_grid(settings, plugin.dataset(), executor=executor)
    assert unit.info.selection.indices.max() < 30
    assert set(unit.info.metrics) >= {"accuracy", "nll"}
    assert [list(work.programs) for work in remote._works.values()] == [["random"]], "a process holds only so many"


def test_a_nan_elsewhere_is_named_with_its_cell(tmp_path):
    settings = SMALL.with_values(
        output=tmp_path, strategies=("random",), num_seeds=1, optimizer="sgd", learning_rate=float("inf")
    )
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(FloatingPointError, match="random, seed 0: .* is NaN: strategy random, round 0, seed 0"),
    ):
        grid.run_grid(settings, executor=executor)


def test_a_cell_that_another_process_still_runs_is_left_alone(tmp_path):
    settings = SMALL.with_values(output=tmp_path, strategies=("random",), num_seeds=2)
    with (
        sole_writer(tmp_path / ".cells" / "random" / "00000"),
        ThreadPoolExecutor(1) as executor,
        pytest.raises(ValueError, match="random, seeds 0 to 1: expected no other writer"),
    ):
        grid.run_grid(settings, executor=executor)
    assert not checkpoint_path(tmp_path, "random", 0).exists()


def test_other_code_elsewhere_is_refused(tmp_path, monkeypatch):
    record = {"strategy": "random", "settings": {}, "data": {}, "versions": {"jax": "0.1"}, "code": {}}
    with pytest.raises(ValueError, match="the same code, versions and data in every process, got others"):
        remote.run_there(SMALL.with_values(output=tmp_path), None, record, [0, 1], tmp_path.cwd(), None)


TRACE = "Job (task=0) failed during processing with trace:\n-----\nTraceback (most recent call last):\n  File\n"


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (RuntimeError(TRACE + "FloatingPointError: a score is NaN\n-----\nlogs"), FloatingPointError, "a score is NaN"),
        (ChildProcessError("its process was killed"), ChildProcessError, "its process was killed"),
        (RuntimeError("The worker died\nunexpectedly"), ChildProcessError, "unexpectedly"),
        (KeyError(), ChildProcessError, "KeyError"),
    ],
)
def test_errors_of_any_executor_become_a_sentence_with_the_cell(error, kind, message, tmp_path):
    cell = Cell({"strategy": "bald"}, [2, 3], tmp_path, None)
    named = remote._with_cell(error, SMALL, cell)
    assert type(named) is kind
    assert str(named) == f"bald, seed 2: {message}"


def test_jobs_of_submitit_give_the_same_results(finished, tmp_path):
    pytest.importorskip("submitit", reason="needs the extra 'slurm'")
    # Two cells: each job starts a process, which takes seconds.
    settings = SMALL.with_values(output=tmp_path, strategies=("random",))
    compare.main(settings.with_values(executor="slurm:cluster=local,timeout_min=10"))
    assert_same_cells(tmp_path, finished, ("random",))
    with pytest.raises(ValueError, match="options of submitit in --executor slurm:cluster=local,colour=red"):
        grid.run_grid(SMALL.with_values(output=tmp_path / "new", executor="slurm:cluster=local,colour=red"))


def test_tasks_of_ray_give_the_same_results(finished, tmp_path):
    pytest.importorskip("ray", reason="needs the extra 'ray'")
    options = "--num-pool 60 --num-test 40 --hidden-sizes 16 --num-steps 10 --num-samples 4 --num-initial 6"
    options += " --num-rounds 3 --batch-size 2 --num-seeds 3 --seeds-at-once 2 --executor ray"
    # Ray forks, which is an error in a process in which JAX has threads and warnings are errors.
    command = [sys.executable, "-m", "experiments.compare", *options.split(), "--output", str(tmp_path)]
    subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, check=True)
    assert_same_cells(tmp_path, finished)
