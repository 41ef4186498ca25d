"""A network of :mod:`bal.networks` as a numpyro model: a prior over its weights and a distribution of its labels."""

import math

import jax
from jaxtyping import Array, Float

from bal.networks import Network, Variables, deterministic_outputs
from bal.posteriors.programs._numpyro_model import Model
from bal.types import PyTree
from bal.validation import check_positive


def bayesian_network(
    network: Network,
    *,
    prior_scale: float | Float[Array, ""] = 1.0,
    noise: float | Float[Array, ""] | None = None,
) -> Model:
    r"""A numpyro model for :func:`bal.posteriors.numpyro_mcmc` and :func:`bal.posteriors.numpyro_svi`.

    .. math:: W \sim N(0, s^2 / \text{fan-in}), \quad b \sim N(0, s^2), \quad y \sim p(y \mid f_{W, b}(x))

    Weights are the parameters called "kernel", b all others; dividing by the fan-in keeps the variance of the outputs
    the same for any width. A site is named by its path, "hidden.0.linear.kernel". The network is used without noise.

    Args:
      network: without batch statistics.
      prior_scale: standard deviation s.
      noise: standard deviation of real labels, in their unit; None: the outputs are unnormalised log-probabilities.

    Returns:
      ``model(inputs, labels)`` with the observation site "labels".

    Raises:
      ValueError: a scale that is not positive, or (when traced) the network has batch statistics, which have no prior.

    Example:
      >>> from bal.networks import mlp
      >>> model = bayesian_network(mlp(num_outputs=3, hidden_sizes=(16,)), prior_scale=1.0)

    References:
      Neal 1996, Bayesian learning for neural networks
    """

    check_positive(prior_scale=prior_scale)
    if noise is not None:
        check_positive(noise=noise)

    def model(inputs: PyTree, labels: Array | None = None) -> None:
        import numpyro
        from numpyro import distributions as dist

        # Only shapes are used.
        shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), inputs))
        if jax.tree.leaves(shapes.statistics):
            raise ValueError("expected a network without batch statistics for bayesian_network, got one with them")

        def sample(path, leaf):
            is_kernel = getattr(path[-1], "key", None) == "kernel"
            scale = prior_scale / math.sqrt(math.prod(leaf.shape[:-1])) if is_kernel else prior_scale
            prior = dist.Normal(0.0, scale).expand(leaf.shape).to_event(len(leaf.shape))
            return numpyro.sample(jax.tree_util.keystr(path, simple=True, separator="."), prior)

        params = jax.tree_util.tree_map_with_path(sample, shapes.params)
        outputs = deterministic_outputs(network, Variables(params), inputs)
        with numpyro.plate("points", outputs.shape[0]):
            distribution = dist.Categorical(logits=outputs) if noise is None else dist.Normal(outputs[..., 0], noise)
            numpyro.sample("labels", distribution, obs=labels)

    return model
