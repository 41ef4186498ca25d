"""Checkpoints say what made them: folders whose parts do not fit together are refused, and damaged ones are kept."""

import errno
import json
import os
import shutil

import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

import jax
import jax.numpy as jnp
import numpy as np

from bal.studies import cells, checkpoints, compare, grid, learners, provenance, whole_file
from bal.studies.settings import Settings

TINY = Settings().with_values(
    dataset="two_moons",
    num_pool=40,
    num_test=20,
    hidden_sizes=(8,),
    num_steps=4,
    num_samples=4,
    num_initial=4,
    num_rounds=2,
    batch_size=2,
    num_seeds=2,
    seeds_at_once=1,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    compare.main(TINY.with_values(output=folder))
    return folder


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of the finished study, which a test may damage."""
    shutil.copytree(finished, tmp_path / "study")
    return tmp_path / "study"


def everything(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def refused(folder, message, **changes):
    """The study is refused with a message, and nothing in its folder changes."""
    before = everything(folder)
    with pytest.raises((ValueError, OSError), match=message):
        compare.main(TINY.with_values(output=folder, **changes))
    assert everything(folder) == before


@pytest.fixture
def no_work(monkeypatch):
    """A finished study needs neither data nor programs."""

    def fail(*given):
        raise AssertionError("a finished study loads no data")

    monkeypatch.setattr(cells, "load_dataset", fail)


def test_a_finished_study_prints_its_tables_again_without_data_or_tracing(folder, no_work, capsys):
    tables = [folder / "metrics.parquet", folder / "acquisitions.parquet"]
    before = [path.read_bytes() for path in tables]
    compare.main(TINY.with_values(output=folder))
    assert [path.read_bytes() for path in tables] == before
    assert "area" in capsys.readouterr().out
    # The size of a group is that of the folder.
    compare.main(TINY.with_values(output=folder, seeds_at_once=None))


def test_fewer_seeds_rounds_and_strategies_are_shown_as_asked_and_the_rest_is_named(folder, no_work, capsys):
    compare.main(TINY.with_values(output=folder, num_seeds=1, num_rounds=1, strategies=("bald",)))
    printed = " ".join(capsys.readouterr().out.split())
    assert "1 seed" in printed
    assert (
        "holds more: 2 seeds, of which 1 are shown; 2 rounds, of which 1 are shown; other strategies: random" in printed
    )


def test_the_state_of_a_unit_is_that_after_its_last_round(folder):
    (unit, _) = grid.run_grid(TINY.with_values(output=folder, strategies=("bald",)))
    state = unit.state()
    assert state.pool.num_labelled.tolist() == [8]
    assert state.round.tolist() == [2]
    (unit, _) = grid.run_grid(TINY.with_values(output=folder, strategies=("bald",), num_rounds=1))
    with pytest.raises(ValueError, match="expected --num-rounds 2"):
        unit.state()


def test_results_keep_their_settings_when_the_file_of_settings_is_gone(folder):
    (folder / "settings.json").unlink()
    refused(folder, "00000.npz, got others: num_steps 4 there, 5 here", num_steps=5)
    refused(folder, "num_steps 4 there, 5 here", num_steps=5, strategies=("margin",))


def test_exchanged_and_renamed_checkpoints_are_noticed(folder):
    one, two = folder / "checkpoints" / "bald", folder / "checkpoints" / "random"
    one.rename(folder / "kept")
    two.rename(one)
    (folder / "kept").rename(two)
    refused(folder, "belongs to .*bald/00000.npz, got the one of .*random/00000.npz")


def test_a_renamed_checkpoint_is_noticed(folder):
    path = folder / "checkpoints" / "bald" / "00001.npz"
    path.rename(path.with_name("00007.npz"))
    refused(folder, "belongs to .*00007.npz, got the one of .*00001.npz")


def test_changed_code_and_versions_are_refused_unless_allowed(folder, monkeypatch):
    made_by = provenance.provenance

    def changed(settings, dataset=None):
        record = made_by(settings, dataset)
        return {**record, "code": {"bal": "another"}, "versions": {**record["versions"], "jax": "99"}}

    monkeypatch.setattr(grid, "provenance", changed)
    refused(folder, "jax '.*' there, '99' here, the code of bal has changed since; .*--allow-changed-code")
    allowed = TINY.with_values(output=folder, allow_changed_code=True, strategies=("random",), num_seeds=1)
    compare.main(allowed.with_values(num_rounds=3))
    record = checkpoints.read_record(folder / "checkpoints" / "random" / "00000.npz")
    # Rounds of the code before are not forgotten.
    assert [(each["num_rounds"], len(each["code"]["bal"])) for each in record["earlier"]] == [(2, 64)]
    assert record["code"] == {"bal": "another"}
    monkeypatch.undo()
    refused(folder, "the code of bal has changed since")


def test_changed_code_of_a_plugin_and_changed_data_are_noticed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rule_of_this_test.py").write_text("import bal\nrule = bal.strategies.random\n")
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n")
    settings = TINY.with_values(dataset=str(table), strategies=("rule_of_this_test:rule",))

    def record():
        learners.find_factory("strategy", "rule_of_this_test:rule", {})
        return provenance.of_strategy(provenance.provenance(settings), "rule_of_this_test:rule")

    first = record()
    assert record() == first
    (tmp_path / "rule_of_this_test.py").write_text("import bal\nrule = bal.strategies.margin\n")
    assert provenance.differences(first, record(), "code") == "the code of rule_of_this_test:rule has changed since"
    table.write_text("a,b\n1,3\n")
    assert provenance.differences(first, record(), "data") == f"the data of {table} has changed since"


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b'{"num_steps": 4'])
def test_a_damaged_file_of_settings_is_named(content, folder):
    (folder / "settings.json").write_bytes(content)
    refused(folder, "damaged file: .*settings.json")


@pytest.mark.parametrize("part", [0.0, 0.5, 0.97])
def test_a_damaged_checkpoint_is_named(part, folder):
    path = folder / "checkpoints" / "random" / "00001.npz"
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    refused(folder, "damaged file: .*random/00001.npz")


def test_a_flipped_byte_is_noticed(folder):
    path = folder / "checkpoints" / "random" / "00001.npz"
    content = bytearray(path.read_bytes())
    content[content.index(b"metrics/accuracy") + 150] ^= 0xFF
    path.write_bytes(content)
    refused(folder, "damaged file: .*random/00001.npz")


def test_a_stray_folder_among_the_checkpoints_is_named(folder):
    (folder / "checkpoints" / "random" / "notes").mkdir()
    refused(folder, "something else or a damaged file: .*random/notes")


def test_a_stray_file_among_the_strategies_is_named(folder):
    (folder / "checkpoints" / "notes.txt").write_text("mine")
    refused(folder, "expected a folder of checkpoints, .*notes.txt")


def test_a_full_disk_leaves_the_last_checkpoint_and_no_rest(folder, monkeypatch):
    def full(*given, **arrays):
        given[0].write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoints.np, "savez", full)
    refused(folder, "expected to write .*random/00000.npz, got No space left on device", num_rounds=3)
    assert not list(folder.rglob("*partial*"))
    monkeypatch.undo()
    compare.main(TINY.with_values(output=folder, num_rounds=3))


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="file"):
        compare.main(TINY.with_values(output=tmp_path / "file" / "study"))
    assert (tmp_path / "file").read_text() == "mine"


def test_symbolic_links_are_not_written_through(folder, tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    for name in ("metrics.parquet", "learning_curves.png", "settings.json", ".metrics.partial.parquet", ".writer"):
        (folder / name).unlink(missing_ok=True)
        if name != "settings.json":
            (folder / name).symlink_to(mine)
    compare.main(TINY.with_values(output=folder))
    assert mine.read_text() == "mine"
    assert not (folder / "metrics.parquet").is_symlink()


@pytest.mark.parametrize("name", ["checkpoints", "checkpoints/random", ".lock"])
def test_links_in_the_place_of_folders_and_of_the_lock_are_refused(name, folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (folder / name).rename(elsewhere)
    (folder / name).symlink_to(elsewhere)
    with pytest.raises(ValueError, match="symbolic link"):
        compare.main(TINY.with_values(output=folder))


def test_arrays_come_back_as_they_were_in_every_dtype(tmp_path):
    path = checkpoints.checkpoint_path(tmp_path, "mine:rule", 3)
    state = {"a": jnp.ones((2, 3), jnp.bfloat16), "b": jnp.int8(3), "c": jnp.zeros((2, 0)), "d": jnp.arange(2) > 0}
    fit = checkpoints.FitInfo(np.ones(2), np.ones(2), np.ones(2, int), {"r_hat": np.ones(2)})
    info = grid.bal.StepInfo(np.ones(2), checkpoints.Selection(*np.zeros((3, 2))), {"kind": np.ones(2)}, fit, None)
    checkpoints.write_checkpoint(path, {"strategy": "mine:rule", "seeds": [3]}, info, [0.5], state)
    for old, new in zip(jax.tree.leaves(state), checkpoints.read_state(path), strict=True):
        assert old.dtype == new.dtype
        np.testing.assert_array_equal(old, new)
    seen = checkpoints.read_checkpoint(path)
    assert jax.tree.structure(seen.info) == jax.tree.structure(info)
    assert seen.seconds == [0.5]
    assert json.loads(json.dumps(seen.record))["num_rounds"] == 1
    assert checkpoints.read_records(tmp_path)[path] == seen.record


def test_a_file_is_replaced_whole_or_kept(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def fail():
        with whole_file.whole_file(path) as partial:
            partial.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [each.read_text() for each in tmp_path.iterdir()] == ["old"]
    with whole_file.whole_file(path) as partial:
        partial.write_text("new")
    assert [each.read_text() for each in tmp_path.iterdir()] == ["new"]


def test_code_that_only_shows_results_is_not_recorded():
    names = {"/".join(path.parts[-2:]) for path in provenance._own_sources()}
    assert {
        "studies/_programs.py",
        "studies/cells.py",
        "studies/models.py",
        "selection/__init__.py",
        "clustering/__init__.py",
    } <= names
    assert not names & {"studies/_tables.py", "statistics/_curves.py", "statistics/__init__.py"}
