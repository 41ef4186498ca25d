"""Commands keep compiled programs in the person's cache, unless they are told otherwise."""

from pathlib import Path

import jax
import pytest

from bal.studies._program_cache import LARGEST, keep_programs

NAMES = ("jax_compilation_cache_dir", "jax_compilation_cache_max_size")


@pytest.fixture(autouse=True)
def _no_cache_yet(tmp_path, monkeypatch):
    before = {name: getattr(jax.config, name) for name in NAMES}
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_programs_are_kept_in_the_cache_of_the_person(tmp_path):
    keep_programs()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "bal" / "programs")
    assert jax.config.jax_compilation_cache_max_size == LARGEST
    assert (tmp_path / "bal" / "programs").is_dir()


def test_a_folder_of_the_person_stays(tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "mine"))
    keep_programs()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "mine")


def test_a_cache_that_cannot_be_written_is_not_used(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    keep_programs()
    assert jax.config.jax_compilation_cache_dir is None


def test_without_its_variable_the_cache_is_in_the_home(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    keep_programs()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / ".cache" / "bal" / "programs")
