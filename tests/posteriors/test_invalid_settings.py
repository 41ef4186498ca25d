"""Bad input of every posterior is one sentence before anything compiles."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def told():
    command = [sys.executable, "-m", "tests.posteriors.invalid_settings"]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def test_each_invalid_setting_is_one_sentence_that_says_what_was_expected(told):
    wrong = [case for case in told if not case[-1].startswith("expected ") or "\n" in case[-1]]
    assert not wrong


def test_each_sentence_names_the_setting(told):
    fields = {"early_stopping": ("early_stopping", "patience", "evaluate_every", "held_out_fraction")}
    wrong = [case for case in told if not any(name in case[-1] for name in fields.get(case[1], (case[1],)))]
    assert not wrong
