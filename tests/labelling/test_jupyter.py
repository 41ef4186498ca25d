"""Sixty digits labelled by key presses in JupyterLab and Notebook, with a kernel that dies, as by `ask` and `tell`.

Skipped unless ``BAL_TEST_JUPYTER`` is set, since it takes a minute or two, and without Chromium, playwright and
these: ``pip install jupyterlab notebook``, then ``BAL_TEST_JUPYTER=1 pytest -s tests/labelling/test_jupyter.py``, which
prints the seconds from the last answer of a batch to the next cards.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.labelling.test_page import FINE, answer

LEARNER = """
import json
import jax, optax, bal

dataset = bal.datasets.load("digits")
truth = dataset.pool_labels.tolist()
network = bal.networks.mlp(num_outputs=10, hidden_sizes=(128,), dropout_rate=0.5)
posterior = bal.posteriors.mc_dropout(
    network, bal.likelihoods.categorical(), optax.adamw(2e-3), num_steps=200, minibatch_size=32
)
learner = bal.build(posterior, bal.strategies.bald(batch_size=10), num_samples=32, num_initial=31, num_rounds=3)
key = jax.random.key(0)

def label(point):  # of a person, who errs now and then
    return (truth[point] + (point % 7 == 0)) % 10
"""
WIDGET = """
session = bal.labelling.session(learner, dataset, "answers", rng_key=key, who="ada", background=True)
session.widget()
"""
TASK = """
import bal
from tests.labelling.tasks import TASKS
from tests.labelling.test_exchange_of_tasks import KEY, of_point

task = TASKS[{name!r}]
session = bal.labelling.session(task.learner, task.dataset, "answers", rng_key=KEY, background=True)
for _ in range(2):
    session.answer(of_point(task.labels, session.next().point))
session.widget()
"""
# The run by hand: the fourth point of the first batch gets no label.
BY_HAND = """
import numpy as np

points = learner.init(key, dataset).pool.indices[:31].tolist()
state = learner.init(key, dataset, initial=(np.array(points), np.array([label(point) for point in points])))
rounds = []
for number in range(3):
    state, info = jax.jit(learner.ask)(key, state, dataset)
    asked = info.selection.indices.tolist()
    told = [point for place, point in enumerate(asked) if (number, place) != (0, 3)]
    state = learner.tell(state, np.array(told), np.array([label(point) for point in told]))
    rounds.append([asked, float(info.metrics["accuracy"])])
    points += told
with bal.labelling.session(learner, dataset, "answers", rng_key=key) as session:
    indices, labels = session.labels()
    same = jax.tree.map(lambda a, b: np.array_equal(a, b), session.state().pool, state.pool)
print(json.dumps([rounds, points, indices.tolist(), labels.tolist(), all(jax.tree.leaves(same))]))
"""
CARDS = "[...document.querySelectorAll('.bal-card')].map((card) => card.dataset.point)"


@pytest.fixture(params=["jupyterlab", "notebook"])
def lab(request, tmp_path, environment):
    """The address of a JupyterLab or a Notebook."""
    if not os.environ.get("BAL_TEST_JUPYTER"):
        pytest.skip("needs BAL_TEST_JUPYTER=1, since it takes a minute or two")
    pytest.importorskip(request.param, reason=f"needs {request.param}")
    address = free_address()
    settings = [f"--port={address.rpartition(':')[2]}", f"--ServerApp.root_dir={tmp_path}", "--IdentityProvider.token="]
    command = [sys.executable, "-m", request.param, "--no-browser", "--allow-root", *settings]
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        until(lambda: responds(f"{address}/api"), 120)
        yield address, {"jupyterlab": "lab/tree", "notebook": "notebooks"}[request.param]
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def free_address():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return f"http://localhost:{free.getsockname()[1]}"


def until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def responds(address):
    try:
        return urllib.request.urlopen(address, timeout=5).status == 200
    except OSError:
        return False


def is_idle(address):
    try:
        kernels = json.load(urllib.request.urlopen(f"{address}/api/kernels"))
    except OSError:  # while it starts
        return False
    return [kernel["execution_state"] for kernel in kernels] == ["idle"]


def opened(browser, lab, folder, source):
    """A page with a notebook of one cell."""
    cell = {"cell_type": "code", "id": "one", "metadata": {}, "outputs": [], "execution_count": None, "source": source}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    (folder / "one.ipynb").write_text(
        json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})
    )
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(120_000)
    page.goto("/".join((*lab, "one.ipynb")))
    return page


def events(folder):
    return [json.loads(line) for line in (folder / "answers" / "journal.jsonl").read_text().splitlines()]


def show(page, lab):
    """Run the cell, and select the first card that is not answered."""
    until(lambda: is_idle(lab[0]), 60)
    # What an earlier run of the cell has shown stays for a moment.
    page.evaluate("document.querySelectorAll('.bal-card').forEach((card) => card.classList.add('old'))")
    page.locator(".jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Control+Enter")
    page.locator(".bal-card:not(.old)").first.wait_for(timeout=120_000)
    page.wait_for_function(FINE)
    page.locator(".bal-card:not(.bal-answered) .bal-head").first.click()


def kill_the_kernel(folder):
    process = int(re.match(r"process (\d+) ", (folder / "answers" / ".holder").read_text())[1])
    os.kill(process, signal.SIGKILL)


def test_digits_labelled_by_keys_are_those_of_ask_and_tell(browser, lab, tmp_path, environment):
    known = {}
    exec(LEARNER, known)
    label = known["label"]
    page = opened(browser, lab, tmp_path, LEARNER + WIDGET)
    show(page, lab)
    seconds, skipped = [], None

    def say(key=None):
        """The answer for the selected card."""
        point = int(page.locator(".bal-card:focus").get_attribute("data-point"))
        return answer(page, key or str(label(point)))

    def finish():
        """The last answer of a batch."""
        before = page.evaluate(CARDS)
        start = time.monotonic()
        say()
        seconds.append(time.monotonic() - start)
        assert set(before).isdisjoint(page.evaluate(CARDS))

    for _ in range(30):
        say()
    finish()
    for _ in range(3):
        say()
    skipped = say("s")
    for _ in range(5):
        say()
    finish()
    for _ in range(4):
        say()
    say("9")
    say("9")
    for _ in range(2):
        page.keyboard.press("u")
        page.wait_for_function(FINE)
    kill_the_kernel(tmp_path)
    page.locator(".jp-Dialog button").last.click()
    show(page, lab)
    for _ in range(5):
        say()
    finish()
    for _ in range(10):
        say()
    page.locator("text=All rounds are answered").wait_for()
    page.close()
    kill_the_kernel(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", LEARNER + BY_HAND],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    rounds, points, indices, labels, is_same = json.loads(done.stdout)
    kinds = [event["event"] for event in events(tmp_path)]
    assert (kinds.count("label"), kinds.count("undo"), kinds.count("skip"), len(indices)) == (62, 2, 1, 60)
    asked = [[event["points"], event["metrics"]["accuracy"]] for event in events(tmp_path) if event["event"] == "asked"]
    assert asked == rounds
    assert rounds[0][0][3] == skipped
    assert dict(zip(indices, labels, strict=True)) == {point: label(point) for point in points}
    assert is_same
    print(f"\nseconds from the last answer of a batch to the next cards: {[round(each, 2) for each in seconds]}")
    assert sorted(seconds)[1] < 2  # rounds are compiled while the first labels are given


@pytest.mark.parametrize("name", ["labels", "mask"])
def test_labels_put_together_by_keys(browser, lab, tmp_path, name):
    page = opened(browser, lab, tmp_path, TASK.format(name=name))
    show(page, lab)
    for keys in {"labels": ("13", "2"), "mask": ("", "n3")}[
        name
    ]:  # the mask is accepted, then its second class replaced
        for key in keys:
            page.keyboard.press(key)
        answer(page, "Enter")
    page.close()
    kill_the_kernel(tmp_path)
    first, second = [event["label"] for event in events(tmp_path) if event["event"] == "label"][2:]
    if name == "labels":
        assert (first, second) == ([1, 0, 1], [0, 1, 0])
    else:
        assert [set(sum(mask, [])) for mask in (first, second)] == [{0, 1, 2}, {0, 2}]
