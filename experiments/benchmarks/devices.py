"""A round on eight devices, and in four processes, beside one device on the same cores.

python -m experiments.benchmarks.devices [--num-points 500000] [--num-steps 1] [--repetitions 5]

A round is ``ask`` of an MLP with ten members and BALD, compiled. The ways take turns; each has processes of its own,
which hold their parts of the pool. Every device fits the model, as devices of other machines would: with more steps of
training this, and not what is divided, is what costs. Also printed are seconds of the processors, over all processes.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from statistics import median

import numpy as np

WAYS = {"one device": (1, 1), "eight devices": (1, 8), "four processes": (4, 1)}  # processes, devices of each
NUM_COLUMNS = 64


def work(settings: argparse.Namespace) -> None:
    """One process of a way: a round for each line that it is sent, and a line of its wall and processor seconds."""
    import jax
    import jax.numpy as jnp
    import optax
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    import bal

    number, count, address = settings.worker
    if int(count) > 1:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(address, int(count), int(number))
    rows = np.random.default_rng(0).standard_normal((settings.num_points, NUM_COLUMNS), np.float32)
    part = np.split(rows, int(count))[int(number)]
    mesh = Mesh(np.array(jax.devices()), ("pool",)) if jax.device_count() > 1 else None
    divided = None if mesh is None else NamedSharding(mesh, PartitionSpec("pool"))
    pool = jnp.asarray(part) if divided is None else jax.make_array_from_process_local_data(divided, part)
    posterior = bal.posteriors.deep_ensemble(
        bal.networks.mlp(num_outputs=10, hidden_sizes=(64,)),
        bal.likelihoods.categorical(),
        optax.adamw(1e-3),
        num_members=10,
        num_steps=settings.num_steps,
        minibatch_size=32,
    )
    learner = bal.build(posterior, bal.strategies.bald(batch_size=10), num_initial=100, num_rounds=2, mesh=mesh)
    dataset, key = bal.Dataset(pool, None), jax.random.key(0)
    state = learner.init(key, dataset, (jnp.arange(100), jnp.arange(100) % 10))
    ask = jax.jit(learner.ask)
    for _ in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        _, info = jax.block_until_ready(ask(key, state, dataset))
        took = time.perf_counter() - wall, time.process_time() - processor
        print(json.dumps({"took": took, "picks": info.selection.indices.tolist()}), flush=True)


def start(settings: argparse.Namespace, count: int, devices: int) -> list[subprocess.Popen]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    command = [sys.executable, "-m", "experiments.benchmarks.devices", "--num-points", str(settings.num_points)]
    command += ["--num-steps", str(settings.num_steps), "--worker"]
    return [
        subprocess.Popen(
            [*command, str(number), str(count), address],
            env={**os.environ, "XLA_FLAGS": flags}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in range(count)
    ]  # fmt: skip


def one_round(processes: list[subprocess.Popen]) -> tuple[float, float, list[int]]:
    """Wall seconds of the slowest process, processor seconds of all, and the picks of the first."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    told = [json.loads(_answer(process)) for process in processes]
    walls, processors = zip(*(each["took"] for each in told), strict=True)
    return max(walls), sum(processors), told[0]["picks"]


def _answer(process: subprocess.Popen) -> str:
    """The line of a round; Gloo writes others."""
    assert process.stdout is not None
    return next(line for line in process.stdout if line.startswith("{"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-points", type=int, default=500_000)
    parser.add_argument("--num-steps", type=int, default=1, help="of training, in each round")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--worker", nargs=3, help="number, count and address: one of the processes")
    settings = parser.parse_args()
    if settings.worker:
        work(settings)
        return
    ways = {name: start(settings, *way) for name, way in WAYS.items()}
    try:
        picks = {name: one_round(processes)[2] for name, processes in ways.items()}  # compiles
        took = [{name: one_round(each)[:2] for name, each in ways.items()} for _ in range(settings.repetitions)]
    finally:
        for process in (process for processes in ways.values() for process in processes):
            process.kill()
            process.wait()
    print(f"{settings.num_points} points, {settings.num_steps} steps, {len(os.sched_getaffinity(0))} cores")
    for name in WAYS:
        walls, processors = (np.array([each[name][kind] for each in took]) for kind in range(2))
        bases = [np.array([each["one device"][kind] for each in took]) for kind in range(2)]
        ratios, same = walls / bases[0], picks[name] == picks["one device"]
        print(
            f"{name}: {median(walls):.3f} s, {median(walls) / median(bases[0]):.2f} ({ratios.min():.2f} to "
            f"{ratios.max():.2f}) times one device's, target 1.2; processor {median(processors):.3f} s, "
            f"{median(processors) / median(bases[1]):.2f} times; {'the same' if same else 'other'} picks"
        )


if __name__ == "__main__":
    main()
