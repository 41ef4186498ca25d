"""How many seeds of a strategy run under one ``vmap``."""

import jax

import bal
from bal.memory import accelerator_memory
from bal.sources import holds_source
from bal.studies.learners import build_learner, build_posterior
from bal.studies.settings import Settings
from bal.studies.tasks import task_of

SEEDS = 10


def group_size(settings: Settings, dataset: bal.Dataset) -> int:
    """Seeds in one program where neither the settings nor the folder say it.

    Under one ``vmap`` convolutions are slower on a CPU than one after the other, and a pool on disk is read for one run
    at a time, so one seed runs at a time; otherwise 10, or on an accelerator as many of them as its memory holds.
    """
    if holds_source(dataset.pool_inputs):
        return 1
    task = task_of(dataset)
    if jax.default_backend() == "cpu" and build_posterior(settings, settings.model.posterior, task).convolutional:
        return 1
    if accelerator_memory() is None:
        return SEEDS
    grouped = settings.with_values(seeds_at_once=SEEDS)
    learners = [build_learner(grouped, name, task) for name in settings.run.strategies]
    fitting = [bal.plan(learner, dataset, runs_at_once=SEEDS).most_runs for learner in learners]
    return max(1, min([SEEDS, *(most for most in fitting if most is not None)]))
