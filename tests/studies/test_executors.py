"""Processes that run cells: each is apart from the others, and they end when they are told to."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

from bal.studies.executors import Processes, check_executor, opened
from tests.bare import bare_bal


@pytest.fixture
def quick_starts(tmp_path, monkeypatch):
    """Processes get the path of this one."""
    monkeypatch.syspath_prepend(bare_bal(tmp_path / "bare"))


def test_calls_return_and_raise_what_they_do_and_a_process_that_dies_takes_no_other_with_it(tmp_path, quick_starts):
    with Processes(2) as processes:
        with opened(processes, tmp_path) as same:
            assert same is processes
        # It stays open.
        dies, *others = [processes.submit(os._exit, 1), processes.submit(abs, -3), processes.submit(os.getpid)]
        with pytest.raises(ChildProcessError, match="killed, or ran out of memory"):
            dies.result()
        assert others[0].result() == 3
        assert others[1].result() != os.getpid()
        with pytest.raises(ValueError, match="invalid literal"):
            processes.submit(int, "three").result()


def test_an_interruption_ends_the_processes_at_once(tmp_path, quick_starts):
    start, calls = time.monotonic(), []

    def interrupted():
        with opened("processes:1", tmp_path) as processes:
            calls.extend(processes.submit(time.sleep, 600) for _ in range(2))
            while not processes.running:
                time.sleep(0.01)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - start < 300
    running, waiting = calls
    assert running.done()
    assert waiting.cancelled()


KILLED = """
import os, signal
from bal.studies.executors import Processes

if __name__ == "__main__":
    print(Processes(1).submit(os.getpid).result(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_does_not_outlive_a_parent_that_is_killed(tmp_path):
    (bare_bal(tmp_path) / "killed.py").write_text(KILLED)
    ended = subprocess.run([sys.executable, tmp_path / "killed.py"], stdout=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 120
    while Path(f"/proc/{int(ended.stdout)}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("name", ["", "process", "processes", "processes:0", "processes:-1", "processes:two"])
def test_unknown_executors_are_refused(name):
    with pytest.raises(ValueError, match="expected --executor to be here, processes:N"):
        check_executor(name)


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs the package submitit: pip install 'bal-jax\[slurm\]'"):
        check_executor("slurm:timeout_min=600")
    for name in ("here", "processes:2"):
        check_executor(name)


def test_options_have_values(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)
    check_executor("slurm:timeout_min=600,cluster=local")
    with pytest.raises(ValueError, match="expected options of --executor slurm as option=value,..., got 'gpu'"):
        check_executor("slurm:timeout_min=600,gpu")
