"""Cohen's kappa, against scikit-learn and known answers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from bal.metrics import cohen_kappa


def test_kappa_is_that_of_scikit_learn():
    generator = np.random.default_rng(0)
    first = generator.integers(0, 4, (3, 40))
    second = np.where(generator.random((3, 40)) < 0.6, first, generator.integers(0, 4, (3, 40)))
    kappas = jax.jit(jax.vmap(lambda a, b: cohen_kappa(a, b, num_classes=4)))(first, second)
    np.testing.assert_allclose(
        kappas, [cohen_kappa_score(*pair) for pair in zip(first, second, strict=True)], rtol=1e-5
    )
    weights = generator.integers(0, 3, 40)
    weighted = cohen_kappa(
        jnp.asarray(first[0]), jnp.asarray(second[0]), num_classes=4, weights=jnp.asarray(weights, jnp.float32)
    )
    expected = cohen_kappa_score(first[0], second[0], sample_weight=weights)
    np.testing.assert_allclose(weighted, expected, rtol=1e-5)


def test_raters_who_agree_throughout_have_a_kappa_of_one_with_one_class_too():
    same = jnp.zeros(5, jnp.int32)
    assert float(cohen_kappa(same, same, num_classes=3)) == 1
    assert float(cohen_kappa(same, same.at[0].set(1), num_classes=3)) == 0
    assert np.isnan(cohen_kappa(same[:0], same[:0], num_classes=3))


def test_what_are_no_classes_is_refused():
    with pytest.raises(ValueError, match="num_classes to be a whole number of at least 1"):
        cohen_kappa(jnp.zeros(3, jnp.int32), jnp.zeros(3, jnp.int32), num_classes=0)
