"""Plugins as a person would write them, for the tests."""

import multiprocessing
import os
import signal

import numpy as np

import bal

NOT_A_FUNCTION = 3


def entropy_of_my_own(*, batch_size):
    """The largest entropy, under another name."""
    return bal.strategies.max_entropy(batch_size=batch_size)


def network(*, num_outputs):
    return bal.networks.mlp(num_outputs=num_outputs, hidden_sizes=(8,), dropout_rate=0.5)


def posterior(network, likelihood, optimizer, *, num_steps):
    return bal.posteriors.mc_dropout(network, likelihood, optimizer, num_steps=num_steps, minibatch_size=4)


def dataset():
    return small_dataset(labels=np.arange(40) % 3)


def on_disk():
    """The pool of the data set as rows that are read one by one."""
    given = dataset()
    return given._replace(pool_inputs=bal.Source(list(given.pool_inputs)))


def numbers():
    """A regression whose labels were divided by 10."""
    given = small_dataset(labels=np.linspace(-1, 1, 40).astype(np.float32))
    return given._replace(about=bal.types.Description(label_scale=10.0))


def small_dataset(labels):
    inputs = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    return bal.datasets.from_arrays(inputs[:30], labels[:30], inputs[30:], labels[30:])


def broken(**settings):
    raise RuntimeError("no disk in the drive")


def wrong(**settings):
    return "a string"


def dies_elsewhere(*, batch_size):
    """Kills the process that builds it, unless that is the first one."""
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return bal.strategies.random(batch_size=batch_size)
