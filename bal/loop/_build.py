"""Put a posterior and a strategy together: the functions of a learner."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.tree_util import Partial

from bal import pool as pools
from bal.automatic import Automatic, add_automatic, assess_along, label_automatically, no_automatic_labels, without
from bal.evaluation import evaluate, predictive_loss
from bal.initial import initial_labels
from bal.loop import _checks
from bal.loop._extended import extended
from bal.loop._keys import keys_of_round, keys_of_run
from bal.loop._learner import ActiveLearner, LoopState, Point, StepInfo
from bal.memory import chunk_bytes
from bal.oracle import Oracle, begin_asking, check_oracle, consult, of_oracle, places_again
from bal.posteriors import Posterior
from bal.processes import in_agreement
from bal.sources import holds_source, in_pieces
from bal.strategies import Strategy
from bal.streaming import num_points, stream, take_points
from bal.types import Batch, Dataset, Keys, PyTree
from bal.validation import as_array, check_count, is_concrete
from bal.view import PoolView, in_pool, mean_noise, pool_view
from bal.watching import Stop, begin_watching, check_stop, watch

DEFAULT_NUM_SAMPLES = 32  # for a posterior with an unlimited number of draws


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
    stop: Stop | None = None,
    oracle: Oracle | None = None,
    chunk_size: int | None = None,
    runs_at_once: int = 1,
    mesh: Mesh | None = None,
) -> ActiveLearner:
    """Put a posterior and a strategy together.

    Args:
      posterior: how to fit and draw the model.
      strategy: how to choose the points to label.
      num_samples: posterior samples S. None takes all draws of a posterior with a limited number, such as an ensemble,
        and 32 of any other.
      num_initial: points labelled at the start; may be 0.
      num_rounds: models fitted, and batches asked for. The label budget is ``num_initial + num_rounds * batch_size``;
        the last batch is labelled but not trained on.
      initial_set: "uniform", or "balanced" by class (reads labels: for simulations).
      start: the state from which the fit of a round starts, (state of the round before, fresh state) -> state. None
        restarts from the fresh one; :func:`bal.warm_start` and :func:`bal.shrink_and_perturb` continue.
      evaluation_posterior: fitted on the same labels and used for the metrics; None evaluates ``posterior``.
      pool_subset_size: score a random subset of the available points in each round; None scores all.
      num_targets: number of targets drawn from the original pool in each round, if the data set has no
        ``target_inputs``.
      automatic: let the model label what the rule allows, anew in each round, among the points scored and not asked
        for; the next round is also fitted on these labels. They do not count in ``num_labelled``, and the strategy does
        not see them.
      stop: report in each round the numbers from which stopping criteria decide, see :func:`bal.stop_rounds`. The run
        goes on, so that runs under one ``vmap`` stay one program. None reports nothing.
      oracle: who labels points in a simulated run, with errors, abstentions and prices; None: the pool's labels.
      chunk_size: points predicted at a time; None follows from a memory budget.
      runs_at_once: runs under one ``vmap``, such as seeds, which share that budget.
      mesh: devices over which the pool and the test set are divided when predicted; of one process, or of all.

    Returns:
      The learner: pure functions that close over these settings.

    Raises:
      ValueError: invalid settings, or a posterior without what the strategy needs.

    Example:
      >>> import bal
      >>> posterior = bal.posteriors.bayesian_linear(noise=0.1)
      >>> learner = build(posterior, bal.strategies.random(batch_size=2), num_initial=4, num_rounds=3)
      >>> learner.init(jax.random.key(0), bal.datasets.load("wave")).pool.indices.shape  # the label budget, 4 + 3 * 2
      (10,)
    """
    _checks.check_settings(
        posterior,
        strategy,
        num_initial=num_initial,
        num_rounds=num_rounds,
        initial_set=initial_set,
        num_targets=num_targets,
        pool_subset_size=pool_subset_size,
        automatic=automatic,
        runs_at_once=runs_at_once,
    )
    check_stop(stop, posterior.likelihood.predicts)
    check_oracle(oracle, posterior.likelihood.predicts)
    if num_samples is None and posterior.max_samples is None:
        num_samples = DEFAULT_NUM_SAMPLES
    _checks.check_draws(posterior, strategy, num_samples)
    budget = num_initial + num_rounds * strategy.batch_size
    chunked: dict[str, Any] = {"chunk_size": chunk_size, "memory_budget": chunk_bytes() // runs_at_once, "mesh": mesh}
    posteriors = [posterior] if evaluation_posterior is None else [posterior, evaluation_posterior]

    # Users may pass anything here, so these functions accept anything and raise clear errors.
    def init(rng_key: Any, dataset: Dataset, initial: tuple[Any, PyTree] | None = None) -> LoopState:
        keys = keys_of_run(rng_key)
        _checks.check_dataset(dataset, budget, pool_subset_size, strategy)
        for believed in posteriors:
            _checks.check_all_labels(believed, dataset, oracle)
        _checks.warn_unscaled(posterior, dataset)
        # Data sets from files hold NumPy arrays, which traced indices cannot index.
        dataset = jax.tree.map(jnp.asarray, dataset)
        indices, labels = initial_labels(
            keys.initial, dataset, initial, num_initial=num_initial, initial_set=initial_set
        )
        point = Point.of(dataset.pool_inputs)
        pool, asked = pools.empty_pool(num_points(dataset.pool_inputs), budget, labels), begin_asking(oracle, dataset)
        if initial is None:
            pool, asked = consult(keys.oracle, oracle, asked, pool, indices, labels)
        else:
            _checks.check_labels(posterior, point, labels)
            pool = pools.add_labels(pool, indices, labels)
        by_machine = no_automatic_labels(automatic, dataset, pool_subset_size)
        batch = pools.labelled_batch(pool, dataset.pool_inputs)
        batch = add_automatic(batch, automatic, by_machine, dataset.pool_inputs)
        key_network = jax.random.fold_in(keys.network, 0)
        evaluation = () if evaluation_posterior is None else evaluation_posterior.init(key_network, batch)
        watched = begin_watching(keys.targets, stop, dataset)
        believed = posterior.init(key_network, batch)
        return LoopState(pool, believed, evaluation, jnp.int32(0), by_machine, point, watched, asked)

    def fit(keys: Keys, fitted: Posterior, state: LoopState, previous: PyTree, batch: Batch, validation: Batch | None):
        fresh = fitted.init(keys.network, batch)
        if start is not None:
            # Before the first round there is no state to continue from.
            continued = start(previous, fresh)
            fresh = jax.tree.map(lambda a, b: jnp.where(state.round == 0, a, b), fresh, continued)
        return fitted.fit(keys.batches, fresh, batch, validation)

    def draw(keys: Keys, drawn: Posterior, state: PyTree) -> Callable[[PyTree], PyTree]:
        # A posterior with fewer draws than requested is evaluated with all of them.
        count = num_samples if drawn.max_samples is None or drawn is posterior else None
        return Partial(drawn.predict, state, drawn.sample(keys.samples, state, count))

    def view_of(keys: Keys, state: LoopState, belief: PyTree, predict, dataset: Dataset) -> PoolView:
        likelihood = posterior.likelihood
        # Labels go with the rows that are read at their places, which cannot be divided over devices.
        whole = {"mesh": None} if strategy.privileged and holds_source(dataset.pool_inputs) else {}
        return pool_view(
            keys.targets,
            dataset,
            state.pool,
            pools.labelled_batch(state.pool, dataset.pool_inputs),
            predict=predict,
            information=Partial(likelihood.information),
            noise=Partial(mean_noise) if likelihood.predicts == "gaussian" else None,
            features={name: Partial(feature, belief) for name, feature in posterior.features.items()},
            covariance=None if posterior.covariance is None else Partial(posterior.covariance, belief),
            stream=partial(stream, **chunked | whole),
            pool_subset_size=pool_subset_size,
            num_targets=num_targets,
            privileged_loss=Partial(partial(predictive_loss, likelihood), predict) if strategy.privileged else None,
            again=places_again(oracle, state.oracle, state.pool),
        )

    def ask(rng_key: Any, state: LoopState, dataset: Dataset) -> tuple[LoopState, StepInfo]:
        state, dataset = jax.tree.map(jnp.asarray, (state, dataset))
        keys = keys_of_round(rng_key, state.round)
        batch = pools.labelled_batch(state.pool, dataset.pool_inputs)
        known = add_automatic(batch, automatic, state.automatic, dataset.pool_inputs)
        belief, fit_info = fit(keys, posterior, state, state.posterior, known, dataset.validation)
        predict = draw(keys, posterior, belief)
        evaluation, evaluation_info, evaluated = (), None, (posterior, belief, predict)
        if evaluation_posterior is not None:
            other = evaluation_posterior
            evaluation, evaluation_info = fit(keys, other, state, state.evaluation, known, dataset.validation)
            evaluated = (other, evaluation, draw(keys, other, evaluation))
        metrics = evaluate(*evaluated, dataset, **chunked)

        view, assessed = assess_along(view_of(keys, state, belief, predict, dataset), automatic)
        selection = strategy.select(keys.selection, view)
        by_machine, automatic_info = label_automatically(
            keys.selection, automatic, state.round, dataset, view, assessed(), selection.indices
        )
        watched, numbers = watch(stop, state.stopping, state.round, state.pool, dataset, view, selection.indices)
        selection = selection._replace(indices=in_pool(view, selection.indices, num_points(dataset.pool_inputs)))
        answers = of_oracle(oracle, state.oracle, state.pool, dataset.pool_labels)
        info = StepInfo(
            state.pool.num_labelled, selection, metrics, fit_info, evaluation_info, automatic_info, numbers, answers
        )
        done = {"posterior": belief, "evaluation": evaluation, "automatic": by_machine, "stopping": watched}
        return state._replace(round=state.round + 1, **done), info

    def tell(state: LoopState, indices: Any, labels: PyTree, weights: Any = None) -> LoopState:
        state, indices = jax.tree.map(jnp.asarray, state), as_array("indices", indices)
        labels = pools.as_labels(labels, state.pool.labels)
        weights = None if weights is None else as_array("weights", weights)
        pools.check_answers(state.pool, indices, labels, weights)
        _checks.check_given(posterior, state, indices, labels, weights)
        pool = pools.add_labels(state.pool, indices, labels, weights)
        return state._replace(pool=pool, automatic=without(state.automatic, pool.available))

    def skip(state: LoopState, indices: Any) -> LoopState:
        state = jax.tree.map(jnp.asarray, state)
        pool = pools.skip(state.pool, as_array("indices", indices))
        return state._replace(pool=pool, automatic=without(state.automatic, pool.available))

    def step(rng_key: Any, state: LoopState, dataset: Dataset) -> tuple[LoopState, StepInfo]:
        if dataset.pool_labels is None:
            raise ValueError("expected pool_labels for step and run, got None: use ask, then tell with your own labels")
        state, info = ask(rng_key, state, dataset)
        chosen = info.selection.indices
        truth, key = take_points(dataset.pool_labels, chosen), keys_of_run(rng_key).oracle
        pool, asked = consult(key, oracle, state.oracle, state.pool, chosen, truth)
        return state._replace(pool=pool, automatic=without(state.automatic, pool.available), oracle=asked), info

    def extend(state: LoopState, num_rounds: Any) -> LoopState:
        check_count("num_rounds", num_rounds)
        state = jax.tree.map(jnp.asarray, state)
        return extended(state, posteriors, state.pool.indices.shape[0] + num_rounds * strategy.batch_size)

    def view(rng_key: Any, state: LoopState, dataset: Dataset) -> PoolView:
        state, dataset = jax.tree.map(jnp.asarray, (state, dataset))
        predict = predictor(rng_key, state)
        return view_of(keys_of_round(rng_key, state.round - 1), state, state.posterior, predict, dataset)

    def predictor(rng_key: Any, state: LoopState) -> Callable[[PyTree], PyTree]:
        if is_concrete(state.round) and (np.asarray(state.round) == 0).any():
            raise ValueError("expected a state after a round, got one before the first: call ask or step first")
        # The draws that the strategy saw, regenerated from their keys: they may be far larger than the state.
        return draw(keys_of_round(rng_key, jnp.asarray(state.round) - 1), posterior, state.posterior)

    # A pool on disk is read between compiled pieces, and several processes compare what they have; otherwise these
    # functions are what they are.
    alike = partial(in_agreement, mesh=mesh)
    functions = (alike(init), alike(in_pieces(ask)), tell, skip, alike(in_pieces(step)), extend, view, predictor)
    for function, contract in zip(functions, ActiveLearner.__annotations__.values(), strict=False):
        function.__doc__ = contract.__call__.__doc__  # so that help(learner.tell) says what the contract says
    return ActiveLearner(*functions, num_rounds, num_initial, strategy.batch_size, posterior.likelihood)
