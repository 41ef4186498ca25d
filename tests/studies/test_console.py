"""The console script: its commands, the names it lists, its version."""

import importlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tyro", reason="needs the extra 'studies'")

import bal
from bal import __main__ as script
from bal.studies import compare, console

ROOT = Path(__file__).parents[2]


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["bal", *arguments])
    console.main()


def test_compare_gets_the_flags(monkeypatch):
    seen = []
    monkeypatch.setattr(compare, "main", seen.append)
    run(monkeypatch, "compare", "--dataset", "two_moons", "--strategies", "random", "bald", "--automatic-level", "0.2")
    (settings,) = seen
    assert (settings.data.dataset, settings.run.strategies) == ("two_moons", ("random", "bald"))
    assert settings.labelling.automatic_level == 0.2


def test_help_lists_every_name(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit):
        run(monkeypatch, "compare", "--help")
    printed = capsys.readouterr().out.replace("\n", " ")
    for known in console.REGISTERED.values():
        for name in known:
            assert name in printed


@pytest.mark.parametrize("kind", console.REGISTERED)
def test_names_are_listed_with_a_line_on_each(kind, monkeypatch, capsys):
    run(monkeypatch, "list", kind)
    printed = capsys.readouterr().out
    for name, factory in console.REGISTERED[kind].items():
        assert name in printed
        assert len(console.summary(factory)) > 10
        assert ":`" not in console.summary(factory)
    assert len({console.summary(factory) for factory in console.REGISTERED[kind].values()}) == len(
        console.REGISTERED[kind]
    )


def test_the_version_is_that_of_the_distribution_and_no_command_waits_for_what_shows_results():
    code = "import sys; sys.argv = ['bal', '--version']; from bal.__main__ import main; main(); "
    code += "loaded = lambda *names: print([name for name in names if name in sys.modules]); "
    code += "loaded('pandas', 'tyro', 'matplotlib'); import bal.studies.console; "
    code += "loaded('pandas', 'matplotlib', 'pyarrow', 'scipy', 'plotly', 'sklearn')"
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    try:
        version = importlib.metadata.version("bal-jax")
    except importlib.metadata.PackageNotFoundError:
        version = "unknown"
    assert printed.splitlines() == [f"bal {version}", "[]", "[]"]
    assert bal.__version__ == version


def test_a_missing_package_is_a_sentence_with_the_extra(monkeypatch):
    monkeypatch.setattr("sys.argv", ["bal", "list"])
    monkeypatch.setitem(sys.modules, "bal.studies", None)
    monkeypatch.delattr(bal, "studies", raising=False)
    with pytest.raises(SystemExit, match=r"pip install 'bal-jax\[studies\]'"):
        script.main()


def test_a_missing_package_of_the_results_is_named_before_a_run(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match="No module named 'pyarrow'"):
        importlib.reload(bal.studies)
