"""What a plan says before anything runs, beside what was measured, and that its advice is right."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import bal
from bal.planning import check_fits
from experiments.benchmarks.memory import CASES

# Bytes of the compiled rounds on a CPU, with jax 0.10.2: python -m experiments.benchmarks.memory, 2026-11-28.
MEASURED = {
    "bald, 10 seeds": 63_344_592,
    "bald, 10^6 points": 318_685_152,
    "bald, images": 103_213_648,
    "ensemble, 10 seeds": 96_510_288,
    "lcmd": 161_061_656,
}


def learner(strategy=None, **settings):
    network = bal.networks.mlp(num_outputs=3, hidden_sizes=(32,), dropout_rate=0.5)
    posterior = bal.posteriors.mc_dropout(
        network, bal.likelihoods.categorical(), optax.adam(1e-2), num_steps=3, minibatch_size=4
    )
    strategy = bal.strategies.bald(batch_size=2) if strategy is None else strategy
    return bal.build(posterior, strategy, num_initial=4, num_rounds=2, **settings)


def shapes(count, width=7):
    spec = jax.ShapeDtypeStruct
    return bal.Dataset(spec((count, width), jnp.float32), spec((count,), jnp.int32))


@pytest.mark.parametrize("name", MEASURED)
def test_the_estimate_is_within_a_factor_of_what_was_measured(name):
    case = CASES[name]
    planned = bal.plan(case.learner(), case.dataset(), runs_at_once=case.runs_at_once)
    assert 1 / 1.5 < planned.total / MEASURED[name] < 1.5


def test_parts_are_those_of_the_arrays():
    planned = bal.plan(learner(), shapes(50_000), memory=2**30)
    assert planned.pool == 50_000 * (7 + 1) * 4
    assert planned.rest == 0
    assert planned.draws == 32 * 8  # a key each
    assert planned.num_points == planned.scored.num_points == 50_000
    # 32 draws of 32 hidden units are the largest array a point.
    assert planned.scored.bytes_a_point == 32 * 32 * 4
    assert planned.scored.chunk_size == 2**24 // (32 * 32 * 4)
    assert planned.chunk == 2**24
    assert planned.total > planned.pool + planned.chunk


def test_features_and_pairs_grow_with_the_pool():
    few, many = (bal.plan(learner(bal.strategies.lcmd(batch_size=2)), shapes(count)) for count in (10_000, 20_000))
    assert few.features >= 10_000 * 32 * 4
    assert many.features == 2 * few.features
    assert many.pairs == 2 * few.pairs >= 2 * 10_000 * 8 * 4  # points and labels


def test_a_pool_on_disk_takes_no_memory():
    pool = np.zeros((3_000, 7), np.float32)
    planned = bal.plan(learner(), bal.Dataset(bal.Source(pool), jnp.zeros(3_000, jnp.int32)))
    assert planned.pool == 3_000 * 4  # labels
    assert planned.scored.num_points == 3_000
    with pytest.raises(ValueError, match="one run at a time"):
        bal.plan(learner(), bal.Dataset(bal.Source(pool), jnp.zeros(3_000, jnp.int32)), runs_at_once=2)


def test_runs_that_share_the_budget_have_smaller_chunks():
    one, eight = (bal.plan(learner(runs_at_once=n), shapes(50_000), runs_at_once=n) for n in (1, 8))
    assert one.scored.chunk_size == 8 * eight.scored.chunk_size
    assert one.chunk == eight.chunk
    assert eight.draws == 8 * one.draws


def test_advice_about_runs_makes_a_round_fit():
    memory = 40 * 2**20
    build = lambda runs: learner(runs_at_once=1, chunk_size=2_048) if runs else None
    planned = bal.plan(build(16), shapes(50_000), memory=memory, runs_at_once=16)
    assert planned.most_runs == 1 or planned.most_runs < 16
    with pytest.raises(ValueError, match=rf"expected a round within 40.0 MiB .*runs_at_once={planned.most_runs} "):
        check_fits(planned)
    check_fits(bal.plan(build(1), shapes(50_000), memory=memory, runs_at_once=planned.most_runs))


def test_advice_about_points_makes_a_round_fit():
    memory = 16 * 2**20
    strategy = bal.strategies.lcmd(batch_size=2)
    planned = bal.plan(learner(strategy), shapes(100_000), memory=memory)
    with pytest.raises(ValueError, match="--pool-subset-size") as refused:
        check_fits(planned)
    size = int(str(refused.value).split("pool_subset_size=")[1].split()[0])
    check_fits(bal.plan(learner(strategy, pool_subset_size=size), shapes(100_000), memory=memory))


def test_a_pool_beyond_the_memory_belongs_on_the_disk():
    with pytest.raises(ValueError, match="bal.Source"):
        check_fits(bal.plan(learner(), shapes(1_000_000), memory=2**24))


def test_a_plan_prints_as_a_table():
    lines = str(bal.plan(learner(runs_at_once=2), shapes(50_000), memory=2**30, runs_at_once=2)).splitlines()
    assert lines[0].split() == ["pool", "1.5", "MiB"]
    assert any(line.startswith("chunk") and "2,048 of 50,000 points" in line for line in lines)
    assert any(line.startswith("worst moment") and "2 at once of 1.0 GiB" in line for line in lines)
    assert lines[-1].startswith("would choose chunks of 4,096 points, at most ")


@pytest.mark.parametrize("settings", [{"memory": 0}, {"runs_at_once": 0}])
def test_bad_settings_are_refused(settings):
    with pytest.raises(ValueError, match="expected"):
        bal.plan(learner(), shapes(100), **settings)
