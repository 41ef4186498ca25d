"""A results folder has one writer: another process is refused with its name, and a dead one is in nobody's way."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

from bal.studies.sole_writer import sole_writer
from tests.bare import bare_bal

HOLD = "import sys, pathlib; from bal.studies.sole_writer import sole_writer as hold\n"
HOLD += "with hold(pathlib.Path(sys.argv[1])): print('held', flush=True); input()"


def hold(folder):
    with sole_writer(folder):
        pass


def hold_elsewhere(folder):
    """As another process would: a lock belongs to the thread that took it."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(hold, folder).result()


def test_a_folder_that_another_process_writes_is_refused_until_that_is_killed(tmp_path):
    folder = tmp_path / "not" / "there"
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, cwd=bare_bal(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(ValueError, match=f"no other writer of {folder}, got process {process.pid} on .*: wait"):
            hold(folder)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        hold(folder)


def test_a_folder_is_free_after_its_writer_is_done_or_has_failed(tmp_path):
    with pytest.raises(ZeroDivisionError), sole_writer(tmp_path):
        raise ZeroDivisionError
    hold_elsewhere(tmp_path)


def test_a_writer_may_hold_its_folder_again_and_nobody_else_has_it_until_the_last_is_done(tmp_path):
    with sole_writer(tmp_path):
        hold(tmp_path)
        with pytest.raises(ValueError, match=f"got process {os.getpid()} on"):
            hold_elsewhere(tmp_path)
    hold_elsewhere(tmp_path)


def test_folders_are_held_one_by_one(tmp_path):
    with sole_writer(tmp_path / "one"):
        hold_elsewhere(tmp_path / "two")
