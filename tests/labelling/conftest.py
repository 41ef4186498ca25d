"""A browser for tests of pages."""

import shutil

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
