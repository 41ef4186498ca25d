"""The report on a fit."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int

# NumPy scalars: a JAX array made at import would initialise its devices.
_NO_LOSS: Any = np.float32(np.nan)
_NO_STEPS: Any = np.int32(0)


class FitInfo(NamedTuple):
    """The report on a fit. A method sets the fields that it has; the others are nan, 0 or empty.

    For an ensemble, fields have the axis E of its members.
    """

    loss: Float[Array, "*E"] = _NO_LOSS  # training objective of the last step, in nats a point
    validation_loss: Float[Array, "*E"] = _NO_LOSS  # of the parameters that were kept, with early stopping
    num_steps: Int[Array, "*E"] = _NO_STEPS  # optimiser steps taken
    diagnostics: dict[str, Array] = {}  # noqa: RUF012 - never mutated; convergence figures such as "r_hat"
