"""Shapes are checked in tests: of the functions of bal, and of each function that a factory makes."""

import jax.numpy as jnp
import pytest
from jaxtyping import Array, Float, TypeCheckError, jaxtyped

import bal
from tests.beartype_once import beartype_once


def doubled(size, result):
    """A function of vectors of this size, made anew at each call."""

    @jaxtyped(typechecker=beartype_once)
    def double(x: Float[Array, f"{size}"]) -> Float[Array, f"{size}"]:
        return result(x)

    return double


def test_functions_of_bal_are_checked():
    with pytest.raises(TypeCheckError, match="log_probs"):
        bal.acquisition.bald("probabilities")


def test_each_function_of_a_factory_is_checked():
    for _ in range(2):  # the second one finds the check of the first
        double = doubled(3, lambda x: 2 * x)
        assert double(jnp.ones(3)).tolist() == [2, 2, 2]
        with pytest.raises(TypeCheckError, match="parameters"):
            double(jnp.ones(2))
        with pytest.raises(TypeCheckError, match="return value"):
            doubled(3, lambda x: x[:2])(jnp.ones(3))


def test_the_same_code_with_other_annotations_is_checked_by_them():
    assert doubled(2, lambda x: x)(jnp.ones(2)).shape == (2,)
    with pytest.raises(TypeCheckError, match="parameters"):
        doubled(2, lambda x: x)(jnp.ones(3))
