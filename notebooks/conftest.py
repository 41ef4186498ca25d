"""A notebook that trains much runs without the settings that make the programs of the tests compile fast."""

import os

import pytest

TRAINS_MUCH = {"01_quickstart.ipynb"}  # not optimised, it takes longer than to compile


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    names = ("JAX_DISABLE_MOST_OPTIMIZATIONS", "XLA_FLAGS") if item.path.name in TRAINS_MUCH else ()
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        return (yield)
    finally:
        os.environ.update(kept)
