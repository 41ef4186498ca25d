"""The notebook that trains most runs without the settings that make the programs of the tests compile fast."""

import os

import pytest

TRAINS_MOST = "01_quickstart.ipynb"  # and its programs take longer than their compilation if they are not optimised


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    names = ("JAX_DISABLE_MOST_OPTIMIZATIONS", "XLA_FLAGS") if item.path.name == TRAINS_MOST else ()
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        return (yield)
    finally:
        os.environ.update(kept)
