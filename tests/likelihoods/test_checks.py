"""Labels that do not fit are refused in one sentence; shapes in compiled code, values where they can be read."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.likelihoods import bernoulli, categorical, check_batch, dense, gaussian, heteroscedastic_gaussian
from bal.types import Batch


def outputs(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


NAN = float("nan")
REFUSED = [
    (categorical(), jnp.zeros(3), None, "integer dtype.*float32.*convert"),
    (categorical(), jnp.zeros((3, 1), jnp.int32), None, r"shape \[n\].*\[3, 1\]"),
    (categorical(), np.array([0, -1]), None, "numbered from 0, got -1"),
    (categorical(), np.array([0, 12]), outputs(2, 10), "from 0 to 9, since the network has 10 outputs, got 12"),
    (categorical(), np.array([2**32]), outputs(1, 10), "from 0 to 9.*got 4294967296"),
    (categorical(), jnp.zeros(3, jnp.int32), outputs(4, 10), r"outputs of shape \[3, any\].*got \[4, 10\]"),
    (categorical(), jnp.zeros(3, jnp.int32), outputs(3, 8, 8, 10), r"got \[3, 8, 8, 10\]"),
    (categorical(), {"a": jnp.zeros(3)}, None, "one array of labels"),
    (gaussian(), jnp.zeros(3, jnp.int32), None, "floating dtype.*int32.*convert"),
    (gaussian(), np.array([0.0, NAN, np.inf]), None, "finite labels.*got 2"),
    (gaussian(), jnp.zeros(3), outputs(3, 2), r"\[3, 1\].*got \[3, 2\]"),
    (heteroscedastic_gaussian(), jnp.zeros(3), outputs(3, 1), r"\[3, 2\].*got \[3, 1\]"),
    (bernoulli(), np.array([[0, 2]]), None, "each label is 0 or 1, got 2"),
    (bernoulli(), jnp.zeros(3, jnp.int32), None, r"\[n, L\]"),
    (bernoulli(), jnp.zeros((3, 4), jnp.int32), outputs(3, 5), r"\[3, 4\].*got \[3, 5\]"),
    (dense(categorical()), jnp.zeros(3, jnp.int32), None, r"\[n, H, W\].*got shape \[3\]"),
    (dense(categorical()), jnp.zeros((3, 4, 4), jnp.int32), outputs(3, 2, 2, 5), r"positions \[3, 4, 4\]"),
    (dense(categorical()), np.full((1, 2, 2), 255), outputs(1, 2, 2, 5), "from 0 to 4.*got 255"),
    (dense(categorical(), void=255), np.full((1, 2, 2), 7), outputs(1, 2, 2, 5), "from 0 to 4.*got 7"),
    (dense(categorical(), void=NAN), jnp.zeros((1, 2, 2), jnp.int32), None, "void.*nan"),
    (dense(categorical(), void=255), jnp.zeros((1, 2, 2), jnp.int8), None, "void.*int8, got 255"),
    (
        dense(categorical(), void=255),
        np.array([[[0, 255]], [[255, 255]]], np.uint8),
        None,
        "only void .255. in image 1:",
    ),
    (dense(gaussian()), np.full((1, 2, 2), NAN), None, "finite labels.*got 4"),
]


@pytest.mark.parametrize(("likelihood", "labels", "shape", "message"), REFUSED)
def test_labels_that_do_not_fit_are_refused(likelihood, labels, shape, message):
    with pytest.raises(ValueError, match=message):
        likelihood.check(labels, shape)


ACCEPTED = [
    (categorical(), np.array([0, 9], np.uint8), outputs(2, 10)),
    (gaussian(), np.array([0.5]), outputs(1, 1)),
    (bernoulli(), np.array([[0, 1]]), outputs(1, 2)),
    (dense(categorical(), void=255), np.array([[[0, 255]]], np.uint8), outputs(1, 1, 2, 5)),
    (dense(gaussian(), void=NAN), np.array([[[0.0, NAN]]]), outputs(1, 1, 2, 1)),
    (dense(bernoulli(), void=-1), np.array([[[0, 1], [-1, -1]]]), outputs(1, 2, 2)),
]


@pytest.mark.parametrize(("likelihood", "labels", "shape"), ACCEPTED)
def test_labels_that_fit_pass_as_arrays_and_as_shapes(likelihood, labels, shape):
    likelihood.check(labels, shape)
    likelihood.check(jax.ShapeDtypeStruct(labels.shape, labels.dtype), shape)


def test_compiled_code_checks_types_and_shapes_only():
    def check(labels):
        categorical().check(labels, outputs(2, 3))
        return labels

    assert jax.jit(check)(jnp.array([0, 99])).tolist() == [0, 99]
    with pytest.raises(ValueError, match="integer dtype"):
        jax.jit(check)(jnp.zeros(2))


def test_padding_of_a_batch_may_hold_anything():
    batch = Batch(jnp.zeros((3, 1)), jnp.array([0, 1, 99]), jnp.array([1.0, 1.0, 0.0]))
    check_batch(categorical(), batch, outputs(3, 2))
    with pytest.raises(ValueError, match="from 0 to 1.*got 99"):
        check_batch(categorical(), batch._replace(weights=jnp.ones(3)), outputs(3, 2))
