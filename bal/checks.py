"""What a run cannot be: mistakes that are met before anything compiles."""

from bal.initial import check_initial_set
from bal.posteriors import Posterior
from bal.strategies import Strategy
from bal.types import Dataset


def check_settings(
    posterior: Posterior,
    strategy: Strategy,
    *,
    num_initial: int,
    num_rounds: int,
    initial_set: str,
    num_targets: int,
    pool_subset_size: int | None,
) -> None:
    """Raise where the settings of :func:`bal.build` cannot be, whatever the data."""
    if num_initial < 0 or num_rounds < 1 or num_targets < 1:
        raise ValueError(
            f"expected num_initial of at least 0, num_rounds and num_targets of at least 1, "
            f"got {num_initial}, {num_rounds} and {num_targets}"
        )
    if strategy.batch_size < 1:
        raise ValueError(f"expected batch_size of at least 1, got {strategy.batch_size}")
    if pool_subset_size is not None and pool_subset_size < strategy.batch_size:
        raise ValueError(f"expected pool_subset_size of at least batch_size, got {pool_subset_size}")
    check_initial_set(initial_set)
    missing = [name for name in strategy.needs if name not in posterior.features]
    if missing:
        raise ValueError(
            f"expected a posterior with the features {list(strategy.needs)} that the strategy needs, "
            f"got one with {sorted(posterior.features)}"
        )


def check_dataset(dataset: Dataset, budget: int, pool_subset_size: int | None, strategy: Strategy) -> None:
    """Raise where a data set does not fit the settings of a run."""
    if strategy.privileged and dataset.pool_labels is None:
        raise ValueError("expected pool_labels for a privileged strategy, which reads labels nobody has yet, got None")
    num_points = dataset.pool_inputs.shape[0]
    if budget > num_points:
        raise ValueError(
            f"expected a label budget (num_initial + num_rounds * batch_size) of at most the {num_points} points "
            f"of the pool, got {budget}"
        )
    if pool_subset_size is not None and not 1 <= pool_subset_size <= num_points:
        raise ValueError(f"expected pool_subset_size between 1 and {num_points}, got {pool_subset_size}")
    if dataset.test_inputs is not None and dataset.test_inputs.shape[1:] != dataset.pool_inputs.shape[1:]:
        raise ValueError(
            f"expected test_inputs of the shape of pool_inputs [n, {list(dataset.pool_inputs.shape[1:])}], "
            f"got {list(dataset.test_inputs.shape)}"
        )
