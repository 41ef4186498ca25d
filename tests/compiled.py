"""Networks and posteriors whose functions are one program each; called eagerly, each operation would be one."""

import jax

from bal.networks import Network
from bal.posteriors import Posterior


def compiled_network(network: Network) -> Network:
    functions = {name: getattr(network, name) for name in ("init", "trunk", "head", "readout", "train", "features")}
    return network._replace(**{name: fn and jax.jit(fn) for name, fn in functions.items()})


def compiled_posterior(posterior: Posterior) -> Posterior:
    functions = {name: getattr(posterior, name) for name in ("init", "fit", "predict", "covariance", "moments")}
    return posterior._replace(
        **{name: fn and jax.jit(fn) for name, fn in functions.items()},
        sample=jax.jit(posterior.sample, static_argnums=2),
        features={name: jax.jit(fn) for name, fn in posterior.features.items()},
    )
