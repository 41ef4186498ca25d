"""Do several people answer alike?"""

from itertools import combinations
from typing import NamedTuple

import jax.numpy as jnp

from bal.labelling._history import LABEL, History
from bal.metrics import cohen_kappa


class Agreement(NamedTuple):
    """How far two people agree on the points that both have labelled with a class."""

    first: str
    second: str
    num_points: int
    kappa: float  # Cohen's, see bal.metrics.cohen_kappa


def agreement(record: History) -> list[Agreement]:
    """Cohen's kappa of each pair of people who have labelled a point in common, from their own last answers.

    Raises:
      ValueError: labels that are not classes.
    """
    people: dict[str, dict[int, int]] = {}
    for point, responses in record.responses.items():
        for who, response in responses.items():
            if response.kind == LABEL:
                if not isinstance(response.label, int):
                    raise ValueError(f"expected labels that are classes for Cohen's kappa, got {response.label!r}")
                people.setdefault(who, {})[point] = response.label
    found = []
    for first, second in combinations(people, 2):
        common = [point for point in people[first] if point in people[second]]
        if common:
            one, other = (jnp.array([people[who][point] for point in common], jnp.int32) for who in (first, second))
            num_classes = int(max(one.max(), other.max())) + 1
            found.append(Agreement(first, second, len(common), float(cohen_kappa(one, other, num_classes=num_classes))))
    return found
