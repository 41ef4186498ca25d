"""Run by ``make package`` in an environment that holds the wheel and nothing else: the core works without any extra."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import jax
import optax

import bal


def main() -> None:
    assert "site-packages" in bal.__file__, f"expected the installed package, got {bal.__file__}"
    for name in ("matplotlib", "pandas", "tyro", "numpyro", "sklearn"):
        assert importlib.util.find_spec(name) is None, (
            f"expected an environment with the core only, got one with {name}"
        )

    for name in ("py.typed", "labelling/widget.js", "labelling/parts.js", "labelling/card.js", "labelling/widget.css"):
        assert (Path(bal.__file__).parent / name).exists(), f"expected {name} in the wheel"

    dataset = bal.datasets.load("digits")
    network = bal.networks.mlp(num_outputs=10, hidden_sizes=(32,), dropout_rate=0.2)
    posterior = bal.posteriors.mc_dropout(
        network, bal.likelihoods.categorical(), optax.adamw(1e-2), num_steps=50, minibatch_size=16
    )
    learner = bal.build(posterior, bal.strategies.bald(batch_size=5), num_samples=8, num_initial=20, num_rounds=2)
    _, info = jax.jit(lambda rng_key, data: bal.run(rng_key, learner, data))(jax.random.key(0), dataset)
    assert info.num_labelled.tolist() == [20, 25]
    assert float(info.metrics["accuracy"][-1]) > 0.3

    command = Path(sys.executable).with_name("bal")
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    assert version == f"bal {bal.__version__}\n", version
    refused = subprocess.run([command, "compare"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "pip install 'bal-jax[studies]'" in refused.stderr, refused.stderr
    print(f"bal {bal.__version__}, core only: an active-learning run and the command line work")


if __name__ == "__main__":
    main()
