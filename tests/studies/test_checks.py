"""Invalid settings are one sentence, and no folder is written."""

import pytest

pytest.importorskip("tyro", reason="needs the extra 'studies'")

from bal.studies import compare, console
from bal.studies.checks import VALID
from bal.studies.settings import Settings, flat_values

NAN = float("nan")
INVALID = [
    ({"num_seeds": 0}, "--num-seeds .* at least 1, got 0"),
    ({"num_seeds": -1}, "--num-seeds .* at least 1, got -1"),
    ({"strategies": ()}, "at least one strategy, got none"),
    ({"strategies": ("bald", "random", "bald")}, "each strategy once, got 'bald' 2 times"),
    ({"strategies": ("blad",)}, "'bald'.*got 'blad'"),
    ({"features": "gradient"}, "a strategy that uses features, .* --features gradient, got random bald"),
    ({"posterior": "mc_dropuot"}, "'mc_dropout'.*got 'mc_dropuot'"),
    ({"evaluation_posterior": "deep_ensmble"}, "'deep_ensemble'"),
    ({"network": "mpl"}, "'mlp'"),
    ({"copies": 0}, "--copies .* at least 1, got 0"),
    ({"noise": -1.0}, "noise of at least 0, got -1"),
    ({"noise": NAN}, "noise of at least 0, got nan"),
    ({"learning_rate": -1.0}, "learning_rate above 0, got -1"),
    ({"temperature": NAN}, "temperature above 0, got nan"),
    ({"targets": (NAN,)}, "--targets to be finite numbers, got nan"),
    ({"seeds_at_once": 0}, "--seeds-at-once .* at least 1, got 0"),
    ({"seed": 10**20}, "--seed between 0 and 4294967295"),
    ({"seed": -1}, "--seed .* at least 0, got -1"),
    ({"dropout_rate": 0.0}, "--dropout-rate above 0 for mc_dropout, got 0"),
    ({"dropout_rate": 1.0}, "--dropout-rate below 1"),
    ({"automatic": "risk_controlled"}, "--num-calibration of at least 1 for risk_controlled, got 0"),
    ({"automatic": "confidence_above", "automatic_level": 1.5}, "--automatic-level between 0 and 1"),
    ({"label_noise": 1.5}, "label_noise between 0 and 1"),
    ({"abstention": NAN}, "abstention between 0 and 1"),
    ({"relabel": -1}, "--relabel .* at least 0, got -1"),
    ({"relabel": 6}, "--relabel of at most --batch-size 5, got 6"),
    ({"relabel": 2, "pool_subset_size": 50}, "--relabel without --pool-subset-size"),
    ({"label_noise": 0.1, "dataset": "diabetes"}, "one class a point for --label-noise, --abstention and --relabel"),
    ({"num_initial": -1}, "--num-initial .* at least 0, got -1"),
    ({"patience": 2}, "validation points"),
    ({"hidden_sizes": (16, 0)}, "--hidden-sizes .* got 0"),
    ({"drop_at": 2.0}, "drop_at between 0 and 1"),
    ({"target": "class"}, "a table .* with --target, got 'digits'"),
    ({"dataset": "a.csv", "test_fraction": 0.5, "test_column": "b"}, "--test-fraction or --test-column, got both"),
    ({"dataset": "missing.csv"}, "can be read.*missing.csv"),
]


@pytest.mark.parametrize(("change", "message"), INVALID, ids=lambda value: str(value)[:40])
def test_invalid_settings_are_refused_and_no_folder_is_written(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        compare.main(Settings().with_values(output=tmp_path / "new", **change))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "flags", ["--num-seeds 0", "--targets nan", "--learning-rate -1", "--seed 100000000000000000000"]
)
def test_the_command_ends_with_a_sentence(flags, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["bal", "compare", *flags.split(), "--output", str(tmp_path / "new")])
    with pytest.raises(SystemExit) as stopped:
        console.main()
    assert str(stopped.value.code).startswith("error: expected --") or "learning_rate" in str(stopped.value.code)
    assert not (tmp_path / "new").exists()


def test_every_number_of_the_settings_is_checked():
    numbers = {name for name, value in flat_values(Settings()).items() if type(value) in (int, float)}
    assert numbers <= set(VALID)
    assert set(VALID) <= set(flat_values(Settings()))


def test_a_setting_of_another_name_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="'num_steps'"):
        Settings().with_values(num_step=3)


def test_names_are_unique_over_the_parts_so_that_flags_are():
    flags = [*flat_values(Settings())]
    assert len(flags) == len(set(flags))
    assert Settings().with_values(num_steps=3, seed=4).run.seed == 4
