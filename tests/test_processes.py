"""Several processes on the loopback address, each with its part of the pool: they choose what one process chooses."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import bal
from bal.processes import in_agreement, num_processes
from tests.one_of_several import learner
from tests.test_strategies import problem

ROOT = Path(__file__).parents[1]
KEY = jax.random.key(1)
COUNT = 2  # 4 take twice the time and show nothing else


def several(folder, count):
    """What each of so many processes wrote."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    # Two devices each: more of them than processes.
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    files = [folder / f"{number}.json" for number in range(count)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.one_of_several", str(number), str(count), address, str(file)],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for number, file in enumerate(files)
    ]  # fmt: skip
    try:
        for process in processes:
            output, _ = process.communicate(timeout=600)
            assert process.returncode == 0, output
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [json.loads(file.read_text()) for file in files]


def test_each_process_holds_its_part_of_the_pool_and_they_choose_what_one_process_chooses(tmp_path):
    found = several(tmp_path, COUNT)
    active, dataset = learner(), problem("classes")
    run = jax.jit(lambda key, data: bal.run(key, active, data)[1].selection.indices)
    state = active.init(KEY, dataset, (np.arange(4), dataset.pool_labels[:4]))
    _, info = active.ask(KEY, state, dataset)
    for each in found:
        assert each["run"] == run(KEY, dataset).tolist()
        assert each["asked"] == info.selection.indices.tolist()
        # Differences are told to all processes, none of which waits for another.
        expected = ("settings", "settings", "rng_key", "state")
        for name, message in zip(expected, each["told"], strict=False):
            assert message == (
                f"expected the same {name} in all {COUNT} processes, got others in process 1 than in process 0: start "
                "all of them by the same command"
            )
        assert "axes are of the kind Auto, got Explicit ones" in each["told"][4]
        assert len(each["told"]) == 5
        assert each["on_disk"] == each["run"]
    # In both rounds process 0 reads one chunk of two times seven rows, and process 1 the other two.
    assert found[1]["reads"] - found[0]["reads"] == 2 * 14
    told = [each["about_disk"] for each in found]
    assert told[0][0] == told[1][0]
    assert told[0][0].startswith("expected the same pool in all 2 processes")
    size = len(dataset.pool_inputs)
    reason = f"expected to read index {size - 2} of the pool, got OSError: the disk is gone"
    assert [messages[1:] for messages in told] == [[f"process 1: {reason}"], [reason]]


def test_one_process_compares_nothing():
    def fn(x):
        return x

    assert num_processes(None) == 1
    assert in_agreement(fn, jax.sharding.Mesh(np.array(jax.devices()), ("pool",))) is fn


@pytest.mark.parametrize("name", ["init", "ask", "step"])
def test_functions_of_a_learner_keep_their_signatures(name):
    import inspect

    assert "rng_key" in inspect.signature(getattr(learner(), name)).parameters
