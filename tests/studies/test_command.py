"""Commands end with one sentence, and every study is run by the one function that says it."""

import errno
import inspect
import runpy
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("tyro", reason="needs the extra 'studies'")

from bal.studies import command, compare, grid, sweep
from bal.studies.command import run_command

FOLDER = Path(__file__).parents[2] / "experiments"
GRIDS = (grid.prepare_grid, grid.run_grid, compare)  # what keeps rounds
STUDIES = [*sorted(FOLDER.glob("*/__main__.py")), FOLDER / "compare.py"]


@dataclass(frozen=True)
class Settings:
    number: int = 1
    output: Path = Path("results/study")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["study"])


def ends_with(error, **settings):
    """What the person reads after the study has stopped with an error."""

    def stop(given):
        raise error

    with pytest.raises(SystemExit) as stopped:
        run_command(stop, Settings, "A study.", **settings)
    return stopped.value.code


def test_the_study_gets_the_settings_of_the_command_line(monkeypatch):
    seen = []
    monkeypatch.setattr("sys.argv", ["study", "--number", "3"])
    run_command(seen.append, Settings, "A study.")
    assert seen == [Settings(number=3)]


@pytest.mark.parametrize(
    "kind", [ValueError, ImportError, ModuleNotFoundError, FileNotFoundError, PermissionError, FloatingPointError]
)
def test_what_a_person_can_mend_is_one_sentence(kind):
    assert ends_with(kind("expected 2, got 3")) == "error: expected 2, got 3"


def test_an_error_of_the_disk_is_said_with_its_path():
    full = OSError(errno.ENOSPC, "No space left on device", "results/a")
    assert ends_with(full) == "error: No space left on device: results/a"


def test_a_mistake_in_the_program_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        ends_with(ZeroDivisionError())


def test_an_interruption_says_what_the_same_command_does():
    assert ends_with(KeyboardInterrupt()) == f"interrupted: {command.CONTINUES}"
    assert ends_with(KeyboardInterrupt(), after_interruption="again") == "interrupted: again"


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_every_study_is_run_so_and_promises_to_continue_where_it_keeps_rounds(path, monkeypatch):
    calls = []
    monkeypatch.setattr(command, "run_command", lambda *given, **settings: calls.append((given, settings)))
    runpy.run_path(str(path), run_name="__main__")
    ((main, settings_type, description), settings) = calls[0]
    study = inspect.getmodule(main)
    # A comparison says what it does, whether its settings are swept or not.
    described, defaults = (compare, settings_type().settings) if study is sweep else (study, settings_type())
    assert description == inspect.getdoc(described) + "\n"
    assert defaults.output.parts[0] == "results"
    # Studies of dense labels share their run.
    names = {**vars(study), **(vars(inspect.getmodule(study.run_dense)) if hasattr(study, "run_dense") else {})}
    keeps_rounds = any(value is each for value in names.values() for each in GRIDS)
    assert keeps_rounds == ("after_interruption" not in settings)
    # Whoever draws pictures beside the grid holds the folder as the grid does.
    assert "sole_writer" in names
