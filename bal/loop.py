"""The active-learning loop as pure functions: a whole run is one compiled program of a key and a data set."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.tree_util import Partial
from jaxtyping import Array, Int

from bal import pool as pools
from bal.automatic import Automatic, AutomaticInfo, add_automatic, label_automatically, no_automatic_labels, without
from bal.checks import check_dataset, check_settings
from bal.evaluation import evaluate, predictive_loss
from bal.initial import initial_labels
from bal.pool import PoolState
from bal.posteriors import FitInfo, Posterior, check_num_samples
from bal.selection import Selection
from bal.strategies import Strategy
from bal.types import Batch, Dataset, Keys, PyTree, RngKey, split_keys
from bal.validation import is_concrete
from bal.view import pool_view, to_pool_indices


class LoopState(NamedTuple):
    """What the next round needs. Data and keys are passed in, never stored."""

    pool: PoolState
    posterior: PyTree  # state of the posterior that acquires
    evaluation: PyTree  # state of the posterior that is evaluated, () where it is the same
    round: Int[Array, ""]  # rounds that are done
    automatic: PyTree = ()  # AutomaticState: labels of no person that the next round is fitted on too, () without


class StepInfo(NamedTuple):
    """What a person wants to see of a round."""

    num_labelled: Int[Array, ""]  # size of the set that was trained on
    selection: Selection  # what was asked for, as pool indices
    metrics: dict[str, Array]  # of the posterior samples' mean on the test set; {} without one
    fit: FitInfo
    evaluation_fit: FitInfo | None
    automatic: AutomaticInfo | None = None


class ActiveLearner(NamedTuple):
    """Pure functions of a run. ``step`` is ``ask`` followed by ``tell`` with the labels that the data set holds."""

    init: Callable[..., LoopState]  # (rng_key | Keys, dataset, initial=None)
    ask: Callable[[RngKey | Keys, LoopState, Dataset], tuple[LoopState, StepInfo]]
    tell: Callable[..., LoopState]  # (state, indices [B], labels, weights=None)
    skip: Callable[[LoopState, Array], LoopState]  # (state, indices): never ask for these
    step: Callable[[RngKey | Keys, LoopState, Dataset], tuple[LoopState, StepInfo]]
    # (rng_key, state) -> (inputs [n, ...] -> predictions [S, n, ...]), of the model that asked last
    predictor: Callable[[RngKey | Keys, LoopState], Callable[[Array], PyTree]]
    num_rounds: int


def build(
    posterior: Posterior,
    strategy: Strategy,
    *,
    num_samples: int | None = None,
    num_initial: int,
    num_rounds: int,
    initial_set: str = "uniform",
    start: Callable[[PyTree, PyTree], PyTree] | None = None,
    evaluation_posterior: Posterior | None = None,
    pool_subset_size: int | None = None,
    num_targets: int = 100,
    automatic: Automatic | None = None,
    chunk_size: int | None = None,
    mesh: Mesh | None = None,
) -> ActiveLearner:
    """Put a posterior and a strategy together.

    Args:
      posterior: what to believe after some labels.
      strategy: what to ask next.
      num_samples: posterior samples S; None: all that the posterior has.
      num_initial: points labelled at the start; 0 is legal.
      num_rounds: models fitted, and batches asked for. The label budget is ``num_initial + num_rounds * batch_size``;
        the last batch is labelled but not trained on.
      initial_set: "uniform", or "balanced" by class (reads labels: for simulations).
      start: from which state a round is fitted, (state of the round before, fresh state) -> state. None restarts from
        the fresh one; :func:`bal.warm_start` and :func:`bal.shrink_and_perturb` continue.
      evaluation_posterior: fitted on the same labels, and metrics come from it; None evaluates ``posterior``.
      pool_subset_size: score a random subset of the available points in each round; None scores all.
      num_targets: where the data set has no ``target_inputs``, so many points are drawn from the original pool in each
        round.
      automatic: label by itself what the rule allows, afresh in each round among the points scored and not asked for;
        the next round is fitted on these labels too. They are no part of ``num_labelled``, nor seen by the strategy.
      chunk_size: points predicted at a time; None follows from a memory budget.
      mesh: devices over which the pool and the test set are divided when predicted.

    Returns:
      The learner: pure functions that close over these settings.

    Raises:
      ValueError: settings that cannot be, or a posterior without what the strategy needs.
    """
    check_settings(
        posterior,
        strategy,
        num_initial=num_initial,
        num_rounds=num_rounds,
        initial_set=initial_set,
        num_targets=num_targets,
        pool_subset_size=pool_subset_size,
    )
    check_num_samples(num_samples, posterior.max_samples)
    budget = num_initial + num_rounds * strategy.batch_size

    def init(rng_key: RngKey | Keys, dataset: Dataset, initial: tuple[Array, Array] | None = None) -> LoopState:
        keys = _as_keys(rng_key)
        # NumPy arrays, which data sets from files are, know no traced indices.
        dataset = jax.tree.map(jnp.asarray, dataset)
        check_dataset(dataset, budget, pool_subset_size, strategy)
        indices, labels = initial_labels(
            keys.initial, dataset, initial, num_initial=num_initial, initial_set=initial_set
        )
        pool = pools.empty_pool(dataset.pool_inputs.shape[0], budget, labels.shape[1:], labels.dtype)
        pool = pools.add_labels(pool, indices, labels)
        by_machine = no_automatic_labels(automatic, dataset, pool_subset_size)
        batch = pools.labelled_batch(pool, dataset.pool_inputs)
        batch = add_automatic(batch, automatic, by_machine, dataset.pool_inputs)
        key_network = jax.random.fold_in(keys.network, 0)
        evaluation = () if evaluation_posterior is None else evaluation_posterior.init(key_network, batch)
        return LoopState(pool, posterior.init(key_network, batch), evaluation, jnp.int32(0), by_machine)

    def fit(keys: Keys, fitted: Posterior, state: LoopState, previous: PyTree, batch: Batch, validation: Batch | None):
        fresh = fitted.init(keys.network, batch)
        if start is not None:
            # Before the first round there is nothing to continue from.
            continued = start(previous, fresh)
            fresh = jax.tree.map(lambda a, b: jnp.where(state.round == 0, a, b), fresh, continued)
        return fitted.fit(keys.batches, fresh, batch, validation)

    def draw(keys: Keys, drawn: Posterior, state: PyTree) -> Callable[[Array], PyTree]:
        # A posterior that has only so many draws is evaluated with all of them where fewer exist than are asked for.
        count = num_samples if drawn.max_samples is None or drawn is posterior else None
        return Partial(drawn.predict, state, drawn.sample(keys.samples, state, count))

    def ask(rng_key: RngKey | Keys, state: LoopState, dataset: Dataset) -> tuple[LoopState, StepInfo]:
        keys = _of_round(rng_key, state.round)
        dataset = jax.tree.map(jnp.asarray, dataset)
        batch = pools.labelled_batch(state.pool, dataset.pool_inputs)
        known = add_automatic(batch, automatic, state.automatic, dataset.pool_inputs)
        belief, fit_info = fit(keys, posterior, state, state.posterior, known, dataset.validation)
        predict = draw(keys, posterior, belief)
        evaluated, evaluation, evaluation_info, evaluated_predict = posterior, (), None, predict
        if evaluation_posterior is not None:
            evaluated = evaluation_posterior
            evaluation, evaluation_info = fit(keys, evaluated, state, state.evaluation, known, dataset.validation)
            evaluated_predict = draw(keys, evaluated, evaluation)
        evaluated_state = belief if evaluation_posterior is None else evaluation
        metrics = evaluate(evaluated, evaluated_state, evaluated_predict, dataset, chunk_size=chunk_size, mesh=mesh)

        view, subset = pool_view(
            keys.targets,
            dataset,
            state.pool,
            batch,
            predict,
            features={name: Partial(feature, belief) for name, feature in posterior.features.items()},
            covariance=None if posterior.covariance is None else Partial(posterior.covariance, belief),
            pool_subset_size=pool_subset_size,
            num_targets=num_targets,
            chunk_size=chunk_size,
            mesh=mesh,
            privileged_loss=Partial(partial(predictive_loss, posterior.likelihood), predict)
            if strategy.privileged
            else None,
        )
        selection = strategy.select(keys.selection, view)
        by_machine, automatic_info = label_automatically(
            keys.selection, automatic, state.round, dataset, view, selection.indices, subset
        )
        selection = to_pool_indices(selection, subset, dataset)
        info = StepInfo(state.pool.num_labelled, selection, metrics, fit_info, evaluation_info, automatic_info)
        return LoopState(state.pool, belief, evaluation, state.round + 1, by_machine), info

    def tell(state: LoopState, indices: Array, labels: Array, weights: Array | None = None) -> LoopState:
        indices, labels = jnp.asarray(indices), jnp.asarray(labels)
        weights = None if weights is None else jnp.asarray(weights)
        pool = pools.add_labels(state.pool, indices, labels, weights)
        return state._replace(pool=pool, automatic=without(state.automatic, pool.available))

    def skip(state: LoopState, indices: Array) -> LoopState:
        pool = pools.skip(state.pool, jnp.asarray(indices))
        return state._replace(pool=pool, automatic=without(state.automatic, pool.available))

    def step(rng_key: RngKey | Keys, state: LoopState, dataset: Dataset) -> tuple[LoopState, StepInfo]:
        if dataset.pool_labels is None:
            raise ValueError("expected pool_labels for step and run, got None: use ask, then tell with your own labels")
        state, info = ask(rng_key, state, dataset)
        chosen = info.selection.indices
        labels = jnp.asarray(dataset.pool_labels).at[chosen].get(mode="fill", fill_value=0)
        return tell(state, chosen, labels), info

    def predictor(rng_key: RngKey | Keys, state: LoopState) -> Callable[[Array], PyTree]:
        if is_concrete(state.round) and (np.asarray(state.round) == 0).any():
            raise ValueError("expected a state that has asked, got one of no round: call ask or step first")
        # The draws that the strategy saw, from their keys: they may be far larger than the state that they come from.
        return draw(_of_round(rng_key, state.round - 1), posterior, state.posterior)

    return ActiveLearner(init, ask, tell, skip, step, predictor, num_rounds)


def run(rng_key: RngKey | Keys, learner: ActiveLearner, dataset: Dataset) -> tuple[LoopState, StepInfo]:
    """All rounds: one ``lax.scan`` over ``learner.step``, a pure function of a key and a data set.

    Args:
      rng_key: one key, or one for each source of randomness.
      learner: from :func:`build`; close over it or make it static.
      dataset: pool with labels, and a test set.

    Returns:
      The last state, and the info of each round stacked along a first axis [num_rounds].
    """

    def body(state: LoopState, _):
        return learner.step(rng_key, state, dataset)

    return jax.lax.scan(body, learner.init(rng_key, dataset), None, length=learner.num_rounds)


def _of_round(rng_key: RngKey | Keys, done: Int[Array, ""]) -> Keys:
    """The keys of the round that follows so many."""
    return Keys(*(jax.random.fold_in(key, done) for key in _as_keys(rng_key)))


def _as_keys(rng_key: RngKey | Keys) -> Keys:
    return rng_key if isinstance(rng_key, Keys) else split_keys(rng_key)
