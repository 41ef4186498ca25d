"""Texts labelled by key presses in marimo; skipped like the tests of JupyterLab, and without ``pip install marimo``."""

import os
import subprocess
import sys

import pytest

from tests.labelling.test_jupyter import events, free_address, responds, until
from tests.labelling.test_sessions import TRUTH

NOTEBOOK = """
import marimo

app = marimo.App()

@app.cell
def _():
    import bal
    from tests.labelling.test_sessions import KEY, LEARNER
    from tests.labelling.test_widget import NAMED

    session = bal.labelling.session(LEARNER, NAMED, "answers", rng_key=KEY, background=True)
    return session,

@app.cell
def _(session):
    session.widget(render=lambda card: f"<b>text</b> of {card.point}")
    return
"""


@pytest.fixture
def address(tmp_path, environment):
    """Of the notebook, shown by marimo."""
    if not os.environ.get("BAL_TEST_JUPYTER"):
        pytest.skip("needs BAL_TEST_JUPYTER=1, since it takes a minute or two")
    pytest.importorskip("marimo", reason="needs marimo")
    (tmp_path / "one.py").write_text(NOTEBOOK)
    address = free_address()
    port = address.rpartition(":")[2]
    command = [sys.executable, "-m", "marimo", "run", "one.py", "--headless", "--no-token", "--port", port]
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=log, stderr=log)
    try:
        until(lambda: responds(f"{address}/health"), 120)
        yield address
    finally:
        server.terminate()
        server.wait(60)


def test_texts_are_labelled_by_keys(browser, address, tmp_path):
    page = browser.new_page()
    page.set_default_timeout(120_000)
    page.goto(address)
    page.locator(".bal-card .bal-head").first.click()
    assert page.locator(".bal-text").first.text_content().startswith("<b>text</b> of ")  # text is no HTML
    selected = page.locator(".bal-card:focus")
    for _ in range(4):
        page.keyboard.press(str(TRUTH[int(selected.get_attribute("data-point"))] + 1))
    page.wait_for_selector("text=round 1 of 3")
    skipped = int(selected.get_attribute("data-point"))
    page.keyboard.press("s")
    until(lambda: events(tmp_path)[-1]["event"] == "skip", 60)
    page.close()
    said = events(tmp_path)
    labels = [(event["point"], event["label"]) for event in said if event["event"] == "label"]
    assert labels == [(point, TRUTH[point]) for point, _ in labels]
    assert len(labels) == 4
    assert said[-1]["point"] == skipped
