"""One process of several, which ``tests/test_processes.py`` starts: it writes what it chose and what it was told.

python -m tests.one_of_several NUMBER COUNT ADDRESS FILE
"""

import json
import sys
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import bal
from tests.prototypes import class_means


def learner(mesh=None, name="epig", num_rounds=2, batch_size=3):
    strategy = bal.strategies.STRATEGIES[name](batch_size=batch_size)
    return bal.build(
        class_means(), strategy, num_samples=8, num_initial=4, num_rounds=num_rounds, chunk_size=7, mesh=mesh
    )


class Rows:
    """Rows that count how often each is read; one of them cannot be read in process 1 again after the pools agreed."""

    def __init__(self, rows, is_failing=False):
        self.rows, self.is_failing, self.reads = rows, is_failing, np.zeros(len(rows), int)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        self.reads[index] += 1
        if self.is_failing and index == len(self.rows) - 2 and self.reads[index] > 1:
            raise OSError("the disk is gone")
        return self.rows[index]


def main(number, count, address):
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(address, count, number, heartbeat_timeout_seconds=600)
    from tests.test_strategies import problem  # it computes, which may not happen before

    key = jax.random.key(1)
    whole = jax.tree.map(np.asarray, problem("classes"))
    size = len(whole.pool_inputs) // count
    part = whole.pool_inputs[number * size : (number + 1) * size]
    mesh = Mesh(np.array(jax.devices()), ("pool",))

    def divided(mesh):
        pool = jax.make_array_from_process_local_data(NamedSharding(mesh, PartitionSpec("pool")), part)
        assert not pool.is_fully_addressable
        return whole._replace(pool_inputs=pool)

    dataset, active = divided(mesh), learner(mesh)
    run = jax.jit(lambda key, data: bal.run(key, active, data)[1].selection.indices)
    found = {"run": np.asarray(run(key, dataset)).tolist(), "asked": [], "told": []}
    # A person asks and tells, without a program around it.
    state = active.init(key, dataset, initial=(np.arange(4), whole.pool_labels[:4]))
    state, info = active.ask(key, state, dataset)
    asked = np.asarray(info.selection.indices)
    found["asked"] = asked.tolist()

    def told(call):
        try:
            call()
        except ValueError as error:
            found["told"].append(str(error))

    told(lambda: learner(mesh, num_rounds=2 + number).init(key, dataset))
    told(lambda: jax.jit(learner(mesh, name=("epig", "max_entropy")[number > 0]).ask)(key, state, dataset))
    told(lambda: active.ask(jax.random.key(number), state, dataset))
    answered = active.tell(state, asked, whole.pool_labels[asked] if number else (whole.pool_labels[asked] + 1) % 3)
    told(lambda: active.ask(key, answered, dataset))
    told(lambda: active.init(key, divided(jax.make_mesh((jax.device_count(),), ("pool",)))))
    # A pool on disk, of which each process reads its share.
    bal.sources._passes.BLOCK_BYTES = 1  # a chunk at a time: the pool is small
    rows = Rows(whole.pool_inputs)
    on_disk = whole._replace(pool_inputs=bal.Source(rows))
    found["on_disk"] = np.asarray(bal.run(key, active, on_disk)[1].selection.indices).tolist()
    found["reads"], found["about_disk"] = int(rows.reads.sum()), []
    for others in (whole.pool_inputs + number, Rows(whole.pool_inputs, is_failing=number == 1)):
        try:
            active.ask(key, state, on_disk._replace(pool_inputs=bal.Source(others)))
        except ValueError as error:
            found["about_disk"].append(str(error))
    told(lambda: learner(Mesh(np.array(jax.devices())[: -len(jax.local_devices())], ("pool",))) if count > 2 else None)
    return found


if __name__ == "__main__":
    number, count, address, file = sys.argv[1:]
    Path(file).write_text(json.dumps(main(int(number), int(count), address)))
