"""Comparisons on a pool on disk: those of the pool in memory, one seed after the other."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

import bal
from bal.sources import _passes, _resuming
from bal.studies import cells, compare, grid, learners, provenance
from tests.studies import plugin
from tests.studies.small import SMALL

ON_DISK, IN_MEMORY = (
    SMALL.with_values(
        dataset=f"tests.studies.plugin:{name}", num_pool=20, num_test=None, num_seeds=2, strategies=("k_center",),
        num_validation=4,
    )
    for name in ("on_disk", "dataset")
)  # fmt: skip


def asked(settings):
    return pd.read_parquet(settings.output / "acquisitions.parquet")


def assert_same_picks(ours, theirs):
    a, b = map(asked, (ours, theirs))
    pd.testing.assert_frame_equal(a.drop(columns="score"), b.drop(columns="score"))
    # Other programs, which may round differently.
    np.testing.assert_allclose(a["score"], b["score"], rtol=1e-4, atol=1e-6)


def test_picks_are_those_in_memory_and_an_interrupted_grid_continues(tmp_path, monkeypatch):
    in_memory, whole, broken = (tmp_path / name for name in ("memory", "whole", "broken"))
    compare.main(IN_MEMORY.with_values(output=in_memory, seeds_at_once=1))
    compare.main(ON_DISK.with_values(output=whole, seeds_at_once=None))
    assert (whole / "checkpoints" / "k_center" / "00001.npz").exists()  # one seed a cell
    assert_same_picks(ON_DISK.with_values(output=whole), IN_MEMORY.with_values(output=in_memory))
    check = cells._check_round

    def interrupt(info, name, done, group):
        check(info, name, done, group)
        if (name, done) == ("k_center", 1):
            raise KeyboardInterrupt

    monkeypatch.setattr(cells, "_check_round", interrupt)
    with pytest.raises(KeyboardInterrupt):
        compare.main(ON_DISK.with_values(output=broken, seeds_at_once=1))
    monkeypatch.undo()
    compare.main(ON_DISK.with_values(output=broken, seeds_at_once=1))
    pd.testing.assert_frame_equal(asked(ON_DISK.with_values(output=broken)), asked(ON_DISK.with_values(output=whole)))


def test_seeds_of_a_cell_run_one_after_the_other(tmp_path):
    settings = ON_DISK.with_values(strategies=("bald",), output=tmp_path)  # two at once
    (unit,) = grid.run_grid(settings)
    (expected,) = grid.run_grid(settings.with_values(dataset=IN_MEMORY.data.dataset, output=tmp_path / "memory"))
    assert unit.info.selection.indices.tolist() == expected.info.selection.indices.tolist()
    assert unit.state().pool.indices.tolist() == expected.state().pool.indices.tolist()


def test_a_pass_that_was_interrupted_continues(tmp_path, monkeypatch):
    settings = ON_DISK.with_values(strategies=("bald",), num_seeds=1, seeds_at_once=1)
    whole, broken = (settings.with_values(output=tmp_path / name) for name in ("whole", "broken"))
    (expected,) = grid.run_grid(whole)

    def interrupt(kept):
        raise KeyboardInterrupt

    monkeypatch.setattr(_resuming.Kept, "results", interrupt)
    with pytest.raises(KeyboardInterrupt):
        grid.run_grid(broken)
    monkeypatch.undo()
    passes = broken.output / "checkpoints" / "bald" / ".00000"
    assert (passes / "pass_0" / "pass.json").exists()
    reads = []
    read = _passes.read_block
    monkeypatch.setattr(_passes, "read_block", lambda *args: reads.append(args[1:]) or read(*args))
    (unit,) = grid.run_grid(broken)
    assert unit.info.selection.indices.tolist() == expected.info.selection.indices.tolist()
    assert len(reads) == settings.run.num_rounds - 1  # the pass of the first round was there
    assert not passes.exists()


def test_another_pool_is_another_data_set():
    values = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    labels = np.zeros(300, np.int32)

    def data(values):
        record = provenance.provenance(SMALL, bal.Dataset(bal.Source(values), labels))
        return record["data"]

    before = data(values)
    assert data(values.copy()) == before
    values[-1] += 1
    assert data(values) != before


def test_what_cannot_run_on_disk_is_refused_before_anything_is_written(tmp_path):
    settings = ON_DISK.with_values(output=tmp_path / "none")
    for values, message in (
        ({"copies": 2}, r"in memory for repeated \(--copies\), got one on disk"),
        ({"normalise": True}, r"in memory for normalised \(--normalise\), got one on disk"),
        ({"on_disk": True}, "expected a set of TFDS with --on-disk, got 'tests.studies.plugin:on_disk'"),
        ({"dataset": "digits", "on_disk": True}, "expected a classification set of TFDS to keep on disk, got 'digits'"),
    ):
        with pytest.raises(ValueError, match=message):
            grid.run_grid(settings.with_values(**values))
    with pytest.raises(ValueError, match="by the name of a function, --dataset module:function"):
        grid.run_grid(settings.with_values(executor="processes:2"), plugin.on_disk())
    assert not settings.output.exists()


@pytest.mark.skipif("BAL_DATA_DIR" not in os.environ, reason="BAL_DATA_DIR names no folder with Fashion-MNIST")
@pytest.mark.filterwarnings("default")
def test_fashion_mnist_from_its_files_gives_the_picks_in_memory(tmp_path):
    settings = SMALL.with_values(
        dataset="fashion_mnist", data_dir=Path(os.environ["BAL_DATA_DIR"]), num_pool=500, num_seeds=1, seeds_at_once=1,
        num_rounds=2, strategies=("bald",),
    )  # fmt: skip
    settings = settings.with_values(on_disk=True)
    ours, theirs = (settings.with_values(output=tmp_path / name) for name in ("disk", "memory"))
    dataset = learners.load_dataset(settings)
    assert isinstance(dataset.pool_inputs, bal.Source)
    in_memory = dataset._replace(pool_inputs=bal.sources.read_rows(dataset.pool_inputs, np.arange(500))[0])
    for each, data in ((ours, dataset), (theirs, in_memory)):
        compare.run_and_write(each, grid.prepare_grid(each, data))
    assert_same_picks(ours, theirs)
