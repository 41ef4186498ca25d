"""A simulated oracle that errs, does not always answer, and has its price."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bal.pool import PoolState, add_labels, skip
from bal.streaming import num_points
from bal.types import Dataset, PyTree, RngKey
from bal.validation import check_count, check_nonnegative, check_probability, is_concrete

ROUNDING = 1e-4  # by which a row of a confusion matrix may miss 1


class Oracle(NamedTuple):
    """Who answers in a simulation, for :func:`bal.build`: errors, abstentions and prices by the true class.

    The k-th answer about a point depends on the run's key and the point only, so all strategies of a seed would be
    told the same.
    """

    confusion: Float[Array, "C C"]  # probability of each answer (columns) for points of each class (rows)
    abstention: Float[Array, " C"] | float = 0.0  # probability of no answer; such a point is not asked for again
    cost: Float[Array, " C"] | float = 1.0  # price of asking for a label, whether it is given or not
    max_answers: int = 1  # times that it may be asked about one point; see bal.strategies.relabelling


class OracleState(NamedTuple):
    """What was asked, and what it cost."""

    num_asked: Int[Array, " N"]  # times that the oracle was asked about each point
    num_abstained: Int[Array, ""]
    cost: Float[Array, ""]


class OracleInfo(NamedTuple):
    """The report on the labels that the model of a round was trained on."""

    num_asked: Int[Array, ""]  # labels asked for: also those that were not given, or asked for again
    num_abstained: Int[Array, ""]  # that were not given
    num_wrong: Int[Array, ""]  # wrong labels in the training set; the pool's labels are read for this report only
    cost: Float[Array, ""]  # in the unit of Oracle.cost; of num_asked labels


def even_errors(rates: Float[Array, " C"]) -> Float[Array, "C C"]:
    r"""The confusion matrix of an oracle whose wrong answers are any other class, all alike.

    .. math:: M_{cc} = 1 - r_c, \quad M_{cd} = \frac{r_c}{C - 1}

    Args:
      rates: probability of a wrong answer for points of each class.

    Raises:
      ValueError: fewer than two classes, or a rate that is no probability.

    Example:
      >>> even_errors(jnp.array([0.5, 0.25, 0.0])).tolist()
      [[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [0.0, 0.0, 1.0]]
    """
    rates = jnp.asarray(rates)
    if rates.ndim != 1 or len(rates) < 2:
        raise ValueError(f"expected the error rates of at least two classes, [C], got shape {list(rates.shape)}")
    check_probability(rates=rates)
    right = jnp.eye(len(rates))
    return right * (1 - rates[:, None]) + (1 - right) * rates[:, None] / (len(rates) - 1)


def check_oracle(oracle: Oracle | None, predicts: str) -> None:
    """Raise if an oracle is invalid, or there are no classes for it to confuse."""
    if oracle is None:
        return
    check_count("max_answers", oracle.max_answers)
    if predicts != "categorical":
        raise ValueError(f"expected categorical predictions for an oracle, got {predicts} ones: leave it out")
    shape = jnp.shape(oracle.confusion)
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"expected a confusion matrix [C, C], got shape {list(shape)}: see bal.even_errors")
    check_probability(confusion=oracle.confusion, abstention=oracle.abstention)
    check_nonnegative(cost=oracle.cost)
    for name, value in (("abstention", oracle.abstention), ("cost", oracle.cost)):
        if jnp.shape(value) not in ((), shape[:1]):
            raise ValueError(
                f"expected one {name}, or one for each of {shape[0]} classes, got {list(jnp.shape(value))}"
            )
    if is_concrete(oracle.confusion):
        sums = np.asarray(oracle.confusion, np.float64).sum(axis=1)
        if np.abs(sums - 1).max() > ROUNDING:
            raise ValueError(f"expected rows of a confusion matrix that sum to 1, got the sums {sums.tolist()}")


def begin_asking(oracle: Oracle | None, dataset: Dataset) -> PyTree:
    """Nothing asked yet; () without an oracle.

    Raises:
      ValueError: no pool labels, or labels that the oracle does not know.
    """
    if oracle is None:
        return ()
    labels, num_classes = dataset.pool_labels, len(oracle.confusion)
    if labels is None:
        raise ValueError("expected pool_labels for a simulated oracle, got None: leave it out where a person answers")
    known = dataset.about.num_classes
    if known is None and is_concrete(labels):
        known = int(np.asarray(labels).max()) + 1
    if known is not None and known > num_classes:
        raise ValueError(f"expected an oracle that knows the {known} classes of the pool, got one of {num_classes}")
    return OracleState(jnp.zeros(num_points(dataset.pool_inputs), jnp.int32), jnp.int32(0), jnp.float32(0))


def consult(
    rng_key: RngKey, oracle: Oracle | None, state: PyTree, pool: PoolState, indices: Int[Array, " B"], truth: PyTree
) -> tuple[PoolState, PyTree]:
    """Ask the oracle, and record what it answers.

    Args:
      rng_key: of the run, not of the round: the answers about a point do not depend on when they are asked for.
      oracle: None always answers with the truth.
      state: from :func:`begin_asking`, or the one before.
      pool: the labels so far.
      indices: pool indices of the points asked for; the absent index N is ignored.
      truth: their true labels.

    Returns:
      The pool with the answers, without the points that got none, and what was asked.
    """
    if oracle is None:
        return add_labels(pool, indices, truth), ()
    size = pool.available.shape[0]
    earlier = state.num_asked.at[indices].get(mode="fill", fill_value=0)
    num_classes = len(oracle.confusion)
    of_class = lambda value: jnp.broadcast_to(jnp.asarray(value, jnp.float32), (num_classes,))[truth]

    def answer(index: Array, earlier: Array, chances: Array, abstention: Array) -> tuple[Array, Array]:
        key_answer, key_given = jax.random.split(jax.random.fold_in(jax.random.fold_in(rng_key, index), earlier))
        return (
            jax.random.choice(key_answer, num_classes, p=chances),
            jax.random.uniform(key_given) >= abstention,
        )

    confusion = jnp.asarray(oracle.confusion, jnp.float32)
    answers, given = jax.vmap(answer)(indices, earlier, confusion[truth], of_class(oracle.abstention))
    asked = indices < size
    pool = add_labels(pool, indices, answers.astype(truth.dtype), given.astype(jnp.float32))
    pool = skip(pool, jnp.where(given, size, indices))
    return pool, OracleState(
        state.num_asked.at[indices].add(1, mode="drop"),
        state.num_abstained + (asked & ~given).sum(),
        state.cost + jnp.where(asked, of_class(oracle.cost), 0).sum(),
    )


def places_again(oracle: Oracle | None, state: PyTree, pool: PoolState) -> Int[Array, " K"] | None:
    """Pool index of each label that may be asked for again, N elsewhere; None where all labels are final."""
    if oracle is None or oracle.max_answers == 1:
        return None
    earlier = state.num_asked.at[pool.indices].get(mode="fill", fill_value=oracle.max_answers)
    return jnp.where(earlier < oracle.max_answers, pool.indices, pool.available.shape[0])


def of_oracle(oracle: Oracle | None, state: PyTree, pool: PoolState, pool_labels: Any) -> OracleInfo | None:
    """The report on the labels so far; None without an oracle."""
    if oracle is None:
        return None
    is_label = jnp.arange(pool.indices.shape[0]) < pool.num_labelled
    truth = pool_labels.at[pool.indices].get(mode="fill", fill_value=0)
    wrong = (is_label & (truth != pool.labels)).sum()
    return OracleInfo(state.num_asked.sum(), state.num_abstained, wrong, state.cost)
