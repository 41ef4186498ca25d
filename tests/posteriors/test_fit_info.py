"""A method says of a fit what it knows, and leaves the rest out."""

import jax
import jax.numpy as jnp
import numpy as np

from bal.posteriors import FitInfo


def test_what_a_method_leaves_out_is_nan_zero_or_empty():
    info = FitInfo()
    assert np.isnan(info.loss)
    assert np.isnan(info.validation_loss)
    assert info.num_steps == 0
    assert info.diagnostics == {}


def test_the_defaults_pass_through_compiled_loops_like_arrays():
    def step(total, value):
        return total + value, FitInfo(loss=value)

    _, infos = jax.jit(lambda values: jax.lax.scan(step, 0.0, values))(jnp.arange(3.0))
    assert infos.loss.tolist() == [0.0, 1.0, 2.0]
    assert infos.num_steps.tolist() == [0, 0, 0]
    assert jnp.isnan(jax.vmap(lambda value: FitInfo(loss=value))(jnp.arange(3.0)).validation_loss).all()
