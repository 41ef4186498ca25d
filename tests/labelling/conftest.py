"""A browser for tests of pages, and the environment of notebooks."""

import os
import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def browser():
    """Chromium, driven by playwright; the tests that need it are skipped without them."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, which drives the browser")
    if shutil.which("chromium") is None:
        pytest.skip("needs Chromium")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def environment(tmp_path):
    """Of processes beside the tests: that of a person, without the settings by which tests compile faster."""
    mine = {
        name: value for name, value in os.environ.items() if name not in ("XLA_FLAGS", "JAX_DISABLE_MOST_OPTIMIZATIONS")
    }
    own = {f"JUPYTER_{name}_DIR": str(tmp_path / ".jupyter" / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    own |= {f"JUPYTERLAB_{name}_DIR": str(tmp_path / ".jupyter" / name) for name in ("SETTINGS", "WORKSPACES")}
    return {**mine, **own, "PYTHONPATH": str(Path(__file__).parents[2])}
