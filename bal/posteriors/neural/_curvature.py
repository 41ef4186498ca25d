"""Generalised Gauss-Newton curvature of the loss, kept as eigenvalues in a basis so that any prior can be added."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.factorisation import eigh
from bal.likelihoods import Likelihood
from bal.networks import Network, Variables, deterministic_outputs
from bal.posteriors.training._gradient_steps import NetworkState
from bal.posteriors.training._last_layer import embed, last_layer
from bal.precision import full_precision
from bal.types import Batch, PyTree, RngKey


class Curvature(NamedTuple):
    r"""A positive semidefinite matrix :math:`V \mathrm{diag}(\lambda) V^T` over some parameters."""

    eigenvalues: PyTree  # [F, C] over the last layer (F: D and the bias), or of the structure of the parameters
    basis: tuple[Array, ...]  # full: V [F C, F C]; Kronecker: its factors [F, F] and [C, C]; diagonal: none


class CurvatureMethod(NamedTuple):
    """How curvature is approximated, over which parameters."""

    covered: Callable[[Variables, PyTree], PyTree]  # (variables, inputs) -> the parameters that the Gaussian is over
    compute: Callable[[NetworkState, Batch], Curvature]
    # (rng_key, curvature, prior precision) -> one draw from N(0, (curvature + prior precision)^-1)
    deviate: Callable[[RngKey, Curvature, Array], PyTree]
    # (curvature, prior precision, features [a, F], features [b, F]) -> covariance summed over outputs [a, b]
    covariance: Callable[[Curvature, Array, Array, Array], Array] | None


def output_curvature(likelihood: Likelihood, noise: PyTree, outputs: Array, batch: Batch) -> Float[Array, "n C C"]:
    """Hessian of each row's loss with respect to its outputs, times its weight; 0 for padding."""

    def hessian(output, label):
        return jax.hessian(lambda one: likelihood.loss(noise, one[None], label[None])[0])(output)

    weights = batch.weights[:, None, None]
    return jnp.where(weights > 0, weights * jax.vmap(hessian)(outputs, batch.labels), 0.0)


def extend(embeddings: Float[Array, "n D"], num_features: int) -> Float[Array, "n F"]:
    """Embeddings and, where the last layer has a bias, a feature that is 1."""
    if embeddings.shape[1] == num_features:
        return embeddings
    return jnp.concatenate([embeddings, jnp.ones((embeddings.shape[0], 1), embeddings.dtype)], axis=1)


def full(network: Network, likelihood: Likelihood) -> CurvatureMethod:
    r"""Over the last layer, :math:`\sum_i (\phi_i \phi_i^T) \otimes \Lambda_i`."""

    @full_precision
    def compute(state, batch):
        features, curvatures = _features_and_curvatures(network, likelihood, state, batch)
        n, num_features = features.shape
        num_outputs = curvatures.shape[1]

        def rows(curvature):  # [n, C] of one output -> [F, F C]
            return features.T @ (features[:, :, None] * curvature[:, None]).reshape(n, num_features * num_outputs)

        blocks = jax.lax.map(rows, curvatures.swapaxes(0, 1))
        matrix = blocks.swapaxes(0, 1).reshape(num_features * num_outputs, num_features * num_outputs)
        eigenvalues, basis = _eigh(matrix)
        return Curvature(eigenvalues.reshape(num_features, num_outputs), (basis,))

    @full_precision
    def deviate(rng_key, curvature, prior_precision):
        # The symmetric root: rounding turns eigenvectors of almost equal eigenvalues, and must not change the draw.
        basis = curvature.basis[0]
        noise = jax.random.normal(rng_key, curvature.eigenvalues.shape)
        turned = (basis.T @ noise.reshape(-1)).reshape(noise.shape)
        return (basis @ _scale(turned, curvature.eigenvalues, prior_precision).reshape(-1)).reshape(noise.shape)

    @full_precision
    def covariance(curvature, prior_precision, features_a, features_b):
        num_features, num_outputs = curvature.eigenvalues.shape
        scaled = curvature.basis[0] / jnp.sqrt(curvature.eigenvalues.reshape(1, -1) + prior_precision)
        scaled = scaled.reshape(num_features, -1)  # [F, C F C]
        return (features_a @ scaled) @ (features_b @ scaled).T

    return CurvatureMethod(_last_layer_parameters(network), compute, deviate, covariance)


def kronecker(network: Network, likelihood: Likelihood) -> CurvatureMethod:
    r"""Over the last layer, :math:`(\sum_i \phi_i \phi_i^T) \otimes \bar\Lambda`: exact where all
    :math:`\Lambda_i` are equal."""

    @full_precision
    def compute(state, batch):
        features, curvatures = _features_and_curvatures(network, likelihood, state, batch)
        values_in, basis_in = _eigh((features * batch.weights[:, None]).T @ features)
        total = batch.weights.sum()
        values_out, basis_out = _eigh(curvatures.sum(axis=0) / jnp.where(total > 0, total, 1.0))
        return Curvature(values_in[:, None] * values_out[None], (basis_in, basis_out))

    @full_precision
    def deviate(rng_key, curvature, prior_precision):
        basis_in, basis_out = curvature.basis
        turned = basis_in.T @ jax.random.normal(rng_key, curvature.eigenvalues.shape) @ basis_out
        return basis_in @ _scale(turned, curvature.eigenvalues, prior_precision) @ basis_out.T

    @full_precision
    def covariance(curvature, prior_precision, features_a, features_b):
        # The basis of the outputs is orthogonal, so it drops out of the sum over outputs.
        variances = (1 / (curvature.eigenvalues + prior_precision)).sum(axis=1)
        return (features_a @ curvature.basis[0] * variances[None]) @ (features_b @ curvature.basis[0]).T

    return CurvatureMethod(_last_layer_parameters(network), compute, deviate, covariance)


def diagonal(network: Network, likelihood: Likelihood) -> CurvatureMethod:
    """Over all weights, the diagonal only."""

    @full_precision
    def compute(state, batch):
        variables = state.variables
        outputs = deterministic_outputs(network, variables, batch.inputs)
        curvatures = output_curvature(likelihood, state.noise, outputs, batch)

        def add_point(total, point):
            inputs, curvature, weight = point

            def outputs_of(params):
                alone = jax.tree.map(lambda leaf: leaf[None], inputs)
                return deterministic_outputs(network, Variables(params, variables.statistics), alone)[0]

            # All gradients of one point at a time: [C, number of weights].
            jacobian = jax.jacrev(outputs_of)(variables.params)
            terms = jax.tree.map(lambda leaf: (leaf * jnp.tensordot(curvature, leaf, 1)).sum(axis=0), jacobian)
            return jax.tree.map(lambda sums, term: sums + jnp.where(weight > 0, term, 0.0), total, terms), None

        zero = jax.tree.map(jnp.zeros_like, variables.params)
        total, _ = jax.lax.scan(add_point, zero, (batch.inputs, curvatures, batch.weights))
        return Curvature(jax.tree.map(lambda leaf: jnp.maximum(leaf, 0.0), total), ())

    def deviate(rng_key, curvature, prior_precision):
        leaves, structure = jax.tree.flatten(curvature.eigenvalues)
        keys = jax.random.split(rng_key, len(leaves))
        noises = [
            _scale(jax.random.normal(key, leaf.shape), leaf, prior_precision)
            for key, leaf in zip(keys, leaves, strict=True)
        ]
        return jax.tree.unflatten(structure, noises)

    return CurvatureMethod(lambda variables, inputs: variables.params, compute, deviate, None)


CURVATURES = {"full": full, "kronecker": kronecker, "diagonal": diagonal}


def log_evidence(curvature: Curvature, squared_norm: Array, prior_precision: Array) -> Float[Array, ""]:
    r"""The part of the log marginal likelihood of a Laplace approximation that depends on the prior, in nats.

    .. math:: -\tfrac12 \delta \|\theta\|^2 + \tfrac12 \sum_j \log \frac{\delta}{\lambda_j + \delta}
    """
    logs = sum(jnp.log1p(leaf / prior_precision).sum() for leaf in jax.tree.leaves(curvature.eigenvalues))
    return -0.5 * (prior_precision * squared_norm + logs)


def best_prior_precision(curvature: Curvature, squared_norm: Array) -> Float[Array, ""]:
    r"""The prior precision :math:`\delta` of the largest marginal likelihood, between e^-14 and e^14.

    Its derivative with respect to :math:`\log \delta` decreases, so bisection finds the maximum in a fixed number of
    steps; the root of the derivative is MacKay's fixed point
    :math:`\sum_j \lambda_j / (\lambda_j + \delta) = \delta \|\theta\|^2`.
    """

    def halve(_, bounds):
        middle = bounds.mean()
        precision = jnp.exp(middle)
        effective = sum((leaf / (leaf + precision)).sum() for leaf in jax.tree.leaves(curvature.eigenvalues))
        return jnp.where(effective > precision * squared_norm, bounds.at[0].set(middle), bounds.at[1].set(middle))

    return jnp.exp(jax.lax.fori_loop(0, 28, halve, jnp.array([-14.0, 14.0])).mean())


def _last_layer_parameters(network: Network) -> Callable[[Variables, PyTree], PyTree]:
    return lambda variables, inputs: last_layer(network, variables, inputs)


def _features_and_curvatures(network: Network, likelihood: Likelihood, state: NetworkState, batch: Batch):
    """Features [n, F] and curvatures of the outputs [n, C, C]; both 0 for padding, whatever it holds."""
    layer = last_layer(network, state.variables, batch.inputs)
    embeddings = embed(network, state.variables, batch.inputs)
    outputs = network.readout(state.variables, embeddings)
    features = extend(embeddings, embeddings.shape[1] + (layer.bias is not None))
    features = jnp.where(batch.weights[:, None] > 0, features, 0.0)
    return features, output_curvature(likelihood, state.noise, outputs, batch)


def _eigh(matrix: Float[Array, "P P"]) -> tuple[Float[Array, " P"], Float[Array, "P P"]]:
    eigenvalues, basis = eigh(matrix)
    # The matrix is positive semidefinite, but rounding gives small negative eigenvalues.
    return jnp.maximum(eigenvalues, 0.0), basis


def _scale(noise: Array, eigenvalues: Array, prior_precision: Array) -> Array:
    return noise / jnp.sqrt(eigenvalues + prior_precision)
