"""Strategies, posteriors, networks and data sets from a module of one's own."""

import pytest

pytest.importorskip("tyro", reason="needs the extra 'studies'")

import numpy as np

import bal
from bal.studies import learners, plugins, tasks
from bal.studies.checks import check_settings
from bal.studies.grid import run_grid
from bal.studies.models import FACTORIES
from bal.studies.settings import Settings
from tests.studies import plugin

OWN = "tests.studies.plugin"
SMALL = Settings().with_values(
    dataset=f"{OWN}:dataset",
    network=f"{OWN}:network",
    posterior=f"{OWN}:posterior",
    strategies=(f"{OWN}:entropy_of_my_own",),
    num_seeds=1,
    seeds_at_once=1,
    num_initial=4,
    num_rounds=2,
    batch_size=2,
    num_steps=5,
    num_samples=4,
)


def test_all_four_kinds_run_together_and_a_strategy_picks_what_its_twin_picks(tmp_path):
    (own,) = run_grid(SMALL.with_values(output=tmp_path / "own"))
    (twin,) = run_grid(SMALL.with_values(output=tmp_path / "twin", strategies=("max_entropy",)))
    np.testing.assert_array_equal(own.info.selection.indices, twin.info.selection.indices)
    assert own.info.metrics["accuracy"].shape == (2, 1)


def test_a_regression_reports_its_errors_in_the_original_unit_of_the_labels(tmp_path):
    settings = SMALL.with_values(posterior="bayesian_linear", strategies=("random",))
    scaled = plugin.numbers()
    plain = scaled._replace(about=bal.types.Description())
    assert tasks.task_of(scaled) == tasks.Task(1, classes=False, unit=10.0)
    (own,) = run_grid(settings.with_values(output=tmp_path / "own"), scaled)
    (one,) = run_grid(settings.with_values(output=tmp_path / "one"), plain)
    np.testing.assert_allclose(own.info.metrics["rmse"], 10 * one.info.metrics["rmse"], rtol=1e-5)
    # A density of labels in a unit ten times smaller is ten times lower.
    np.testing.assert_allclose(own.info.metrics["nll"], one.info.metrics["nll"] + np.log(10), rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere:f", "'nowhere:f' to name a module that can be imported, got ModuleNotFoundError"),
        (f"{OWN}:entropy_of_my_won", "'entropy_of_my_own'"),
        (f"{OWN}:NOT_A_FUNCTION", "to name a function, got 3"),
        ("blad", "expected strategy to be one of 'bald'"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused_with_what_is_wrong(name, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        run_grid(SMALL.with_values(strategies=(name,), output=tmp_path / "new"))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{OWN}:broken", "to build a Strategy, got RuntimeError from .*no disk in the drive"),
        (f"{OWN}:wrong", "to return a Strategy, got str"),
    ],
)
def test_a_function_that_does_not_build_what_it_should_is_refused(name, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        run_grid(SMALL.with_values(strategies=(name,), output=tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_modules_of_the_current_folder_can_be_named(tmp_path, monkeypatch):
    (tmp_path / "rules_of_a_test.py").write_text("import bal\nfrom helper_of_a_test import rule\n")
    (tmp_path / "helper_of_a_test.py").write_text("import bal\nrule = bal.strategies.random\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/nowhere"] + __import__("sys").path)
    name = "rules_of_a_test:rule"
    assert plugins.find_factory("strategy", name, {}) is bal.strategies.random
    # A change of the helper is a change of the plugin.
    assert [path.name for path in plugins.plugin_sources(name)] == ["helper_of_a_test.py", "rules_of_a_test.py"]


def test_registered_names_are_known_to_the_checks():
    for name in FACTORIES:
        check_settings(Settings().with_values(posterior=name))
    for name in learners.NETWORKS:
        check_settings(Settings().with_values(network=name))
