"""Settings of every test: shapes are checked, silent rank promotion and warnings are errors."""

import jax
import pytest
from jaxtyping import install_import_hook

# The hook rewrites modules as they are imported, so it stands before the first import of bal.
install_import_hook("bal", "beartype.beartype")

jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", "error")


@pytest.fixture
def rng_key():
    return jax.random.key(0)
