"""Programs of studies are compiled fast, and kept in the person's cache, unless somebody has said otherwise."""

from pathlib import Path

import jax
import pytest

from bal.studies import run_grid
from bal.studies._programs import LARGEST, compiler_options, keep_programs
from tests.studies.small import SMALL

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


@pytest.fixture
def _nothing_set(monkeypatch):
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    monkeypatch.setenv("XLA_FLAGS", "")
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.mark.usefixtures("_nothing_set")
def test_the_compiler_takes_its_first_level_where_nobody_has_set_another(monkeypatch):
    assert compiler_options() == {"xla_backend_optimization_level": 1}
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=3")
    assert compiler_options() is None
    monkeypatch.setenv("XLA_FLAGS", "")
    jax.config.update("jax_disable_most_optimizations", True)
    assert compiler_options() is None


@pytest.mark.usefixtures("_nothing_set")
def test_other_devices_keep_their_level(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert compiler_options() is None


@pytest.mark.usefixtures("_nothing_set")
def test_the_steps_of_a_study_are_compiled_with_the_options(tmp_path, monkeypatch):
    settings = SMALL.with_values(dataset="two_moons", strategies=("random",), num_rounds=1, output=tmp_path)
    given = []
    compiled = jax.stages.Lowered.compile

    def compile_and_note(lowered, compiler_options=None):
        given.append(compiler_options)
        return compiled(lowered, compiler_options)

    monkeypatch.setattr(jax.stages.Lowered, "compile", compile_and_note)
    run_grid(settings)
    assert given == [{"xla_backend_optimization_level": 1}] * len(given)
    assert given
