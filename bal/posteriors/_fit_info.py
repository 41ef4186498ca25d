"""What a person wants to see of a fit."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int

# NumPy scalars: an array of JAX, made when bal is imported, would start its devices.
_NO_LOSS: Any = np.float32(np.nan)
_NO_STEPS: Any = np.int32(0)


class FitInfo(NamedTuple):
    """What a person wants to see of a fit. A method names the fields that it has; the others are nan, 0 or empty.

    Fields have the axis E of the members of an ensemble where there is one.
    """

    loss: Float[Array, "*E"] = _NO_LOSS  # training objective of the last step, in nats a point
    validation_loss: Float[Array, "*E"] = _NO_LOSS  # of the parameters that were kept, with early stopping
    num_steps: Int[Array, "*E"] = _NO_STEPS  # optimiser steps taken
    diagnostics: dict[str, Array] = {}  # noqa: RUF012 - never mutated; convergence figures such as "r_hat"
