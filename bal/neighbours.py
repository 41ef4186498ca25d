"""An index over features of the whole pool: the nearest neighbours of some points, without a look at all of them."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from bal.validation import check_count


class Neighbours:
    """The nearest neighbours of each point, searched for when they are read. Needs the extra ``index`` (faiss).

    The points are divided into about sqrt(N) cells by k-means, and only the cells nearest to a point are searched (an
    inverted file). So a pool of up to ``num_probes`` squared points is searched exactly. The index holds a copy of the
    features, on the host.

    It is a table [N, k] of indices, nearest first and without the point itself, for
    :func:`bal.strategies.among_known_neighbours`: ``bal.Source(index)`` searches for the labelled points of a round,
    ``index[:]`` for all points at once.

    Args:
      features: of all points, such as the embeddings of a trained network; distances are Euclidean.
      num_neighbours: of each point, k.
      num_probes: cells that are searched; more take longer and miss fewer neighbours.

    Raises:
      ValueError: features that are not finite numbers [N, D], or not one neighbour for each point.

    Example:
      >>> index = Neighbours(np.array([[0.0], [1.0], [3.0], [7.0]]), num_neighbours=2)
      >>> index[:].tolist()
      [[1, 2], [0, 2], [1, 0], [2, 1]]

    References:
      Coleman et al. 2022, Similarity search for efficient active learning and search of rare concepts,
      arXiv:2007.00077; Johnson et al. 2021, Billion-scale similarity search with GPUs, arXiv:1702.08734
    """

    def __init__(self, features: Any, *, num_neighbours: int = 100, num_probes: int = 32):
        values = np.ascontiguousarray(features, np.float32)
        if values.ndim != 2:
            raise ValueError(f"expected features [N, D], got an array of shape {list(values.shape)}")
        finite = np.isfinite(values).all(axis=1)
        if not finite.all():
            raise ValueError(f"expected finite features, got others at index {finite.argmin()}: replace them")
        check_count("num_neighbours", num_neighbours)
        check_count("num_probes", num_probes)
        if len(values) <= num_neighbours:
            raise ValueError(f"expected num_neighbours below the number of points, {len(values)}, got {num_neighbours}")
        self.features, self.num_neighbours, self.index = values, num_neighbours, _index(values, num_probes)

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int | slice) -> Int[np.ndarray, "..."]:
        """The row of one point, or the rows of several."""
        places = range(len(self))[index]
        return self.__getitems__(places) if isinstance(places, range) else self.__getitems__([places])[0]

    def __getitems__(self, indices: Any) -> Int[np.ndarray, "n k"]:
        own = np.asarray(indices, np.int64)
        _, found = self.index.search(self.features[own], self.num_neighbours + 1)
        # The point itself, which is not always the first of its copies, or else the farthest one, makes room.
        is_own = found == own[:, None]
        is_own[~is_own.any(axis=1), -1] = True
        found = found[~is_own].reshape(len(own), self.num_neighbours)
        return np.where(found < 0, len(self), found).astype(np.int32)  # the absent index where the cells hold fewer


def _index(features: Float[np.ndarray, "N D"], num_probes: int) -> Any:
    import faiss

    count, width = features.shape
    cells = max(1, int(count**0.5))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(width), width, cells)
    index.cp.min_points_per_centroid = 1  # it would print a warning
    index.nprobe = min(num_probes, cells)
    index.train(features)
    index.add(features)
    return index
