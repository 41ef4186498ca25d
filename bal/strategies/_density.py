"""A strategy based on the density of a network's features."""

from bal import selection
from bal.selection import Selection
from bal.strategies._strategy import Strategy
from bal.types import RngKey
from bal.view import PoolView


def feature_density(*, batch_size: int) -> Strategy:
    """The points whose features are least like those of the labelled points; see :func:`bal.posteriors.ddu`.

    Scores are negative log-densities in nats.

    Example:
      >>> feature_density(batch_size=5).needs
      ('log_density',)

    References:
      Mukhoti et al. 2021, Deep deterministic uncertainty: a new simple baseline, arXiv:2102.11582
    """

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        scores = -view.map(view.features["log_density"])[:, 0]
        return selection.top_k(rng_key, scores, view.available, batch_size=batch_size)

    return Strategy(batch_size, select, takes=None, needs=("log_density",))
