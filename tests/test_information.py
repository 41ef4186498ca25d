"""Entropies against slow loops, at their limits and under differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.information import check_log_probs, entropy, log_mean_exp, mutual_information


def test_log_mean_exp_is_exact_for_equal_values_and_finite_for_zeros():
    values = jnp.full((37, 3), -1.2345)
    np.testing.assert_array_equal(log_mean_exp(values), values[0])
    zeros = jnp.full((4, 2), -jnp.inf)
    assert jnp.isfinite(log_mean_exp(zeros)).all()
    assert jnp.isfinite(jax.grad(lambda v: log_mean_exp(v).sum())(zeros)).all()


def test_log_mean_exp_keeps_what_would_underflow():
    values = jnp.array([[-500.0], [-501.0]])
    np.testing.assert_allclose(log_mean_exp(values)[0], -500 + np.log((1 + np.exp(-1.0)) / 2), rtol=1e-6)


def test_entropy_lies_between_zero_and_log_c():
    assert float(entropy(jnp.log(jnp.array([0.0, 1.0, 0.0])))) == 0.0
    np.testing.assert_allclose(entropy(jnp.log(jnp.full(5, 0.2))), np.log(5), rtol=1e-6)


def test_mutual_information_keeps_its_digits_where_draws_nearly_agree():
    shift = 1e-3
    probs = np.array([[[0.5 + shift, 0.5 - shift]], [[0.5 - shift, 0.5 + shift]]])
    exact = np.log(2) + np.mean([(p * np.log(p)).sum() for p in probs[:, 0]])
    np.testing.assert_allclose(mutual_information(jnp.asarray(np.log(probs), jnp.float32))[0], exact, rtol=0.1)


def test_gradients_of_saturated_predictions_are_finite():
    saturated = jnp.log(jax.nn.one_hot(jnp.array([[0, 1], [1, 1]]), 3))
    assert jnp.isfinite(jax.grad(lambda v: mutual_information(v).sum())(saturated)).all()
    assert jnp.isfinite(jax.grad(lambda v: entropy(v).sum())(saturated)).all()


@pytest.mark.parametrize(
    ("log_probs", "message"),
    [
        (jnp.zeros((2, 3)), r"shape \[2, 3\]"),
        (jnp.full((2, 1, 3), jnp.nan), "NaN in 6 places"),
        (jnp.full((2, 1, 4), 0.25), "jnp.log"),
        (jnp.full((2, 1, 4), -0.1), "log_softmax"),
    ],
)
def test_predictions_that_are_not_normalised_are_refused(log_probs, message):
    with pytest.raises(ValueError, match=message):
        check_log_probs(log_probs)


def test_normalised_predictions_with_zeros_pass():
    check_log_probs(jnp.log(jax.nn.one_hot(jnp.zeros((2, 3), jnp.int32), 4)))
