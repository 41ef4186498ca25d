"""Notebooks run as they do for a reader: without the settings that make the programs of the tests compile fast."""

import os

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    names = ("JAX_DISABLE_MOST_OPTIMIZATIONS", "XLA_FLAGS")
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        return (yield)
    finally:
        os.environ.update(kept)
