"""Bad input of every posterior is one sentence before anything compiles."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bal.posteriors import POSTERIORS
from tests.posteriors.invalid_settings import SETTINGS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def told():
    command = [sys.executable, "-m", "tests.posteriors.invalid_settings"]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def test_every_posterior_is_tried():
    assert set(POSTERIORS) <= set(SETTINGS)


def test_valid_settings_are_accepted(told):
    assert {message for _, _, value, message in told if value == "valid"} == {"nothing"}


def test_each_invalid_setting_is_one_sentence_that_names_it(told):
    fields = {"early_stopping": ("early_stopping", "patience", "evaluate_every", "held_out_fraction")}
    for name, setting, value, message in told:
        if value != "valid":
            assert message.startswith("expected "), (name, setting, value, message)
            assert "\n" not in message, message
            assert any(field in message for field in fields.get(setting, (setting,))), (setting, message)
