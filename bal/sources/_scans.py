"""Which operands of a scan are constants, which are carried and which are cut into slices.

From shapes, since the parameters that say it change from one release of JAX to another (0.12 dropped num_consts).
"""

from collections.abc import Sequence
from typing import Any

from jax.extend.core import Jaxpr


def count_sliced(outside: Sequence[Any], within: Sequence[Any]) -> int:
    """How many arrays a scan cuts into slices, or stacks of slices: they have an axis more outside than within.

    Args:
      outside: shaped operands or results of the scan.
      within: variables of its body, one for each.

    Example:
      >>> import jax
      >>> jaxpr = jax.make_jaxpr(lambda x: jax.lax.scan(lambda c, y: (c + y, c), 0.0, x))(jax.numpy.ones(3))
      >>> scan = jaxpr.eqns[-1]
      >>> count_sliced([atom.aval for atom in scan.invars], body_of(scan.params["jaxpr"]).invars)
      1
    """
    return sum(one.shape != inner.aval.shape for one, inner in zip(outside, within, strict=True))


def body_of(jaxpr: Any) -> Jaxpr:
    """The jaxpr of a scan's body, closed or not, as releases of JAX differ.

    Example:
      >>> import jax
      >>> len(body_of(jax.make_jaxpr(lambda x: 2 * x)(1.0)).eqns)
      1
    """
    return getattr(jaxpr, "jaxpr", jaxpr)
