# make demo and make test set everything up; nothing else is needed but Python 3.11 or later.
PYTHON ?= python3
BIN := .venv/bin
# Python compiles what it imports, which is a small part of what is installed.
INSTALL := -m pip install --quiet --no-compile
# And keeps it, whatever the environment says: each process that tests start would compile jax again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test docs package clean

demo: .venv/installed
	$(BIN)/bal compare --dataset digits --posterior mc_dropout \
	  --strategies random max_entropy bald margin --num-seeds 10 --num-rounds 25 --output results/demo

# A worker that XLA aborts is not replaced: its replacement may wait for work forever (pytest-xdist issue 784).
test: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 \
	  --doctest-modules tests bal

# The site, in build/docs/index.html. It is built without a network, and any warning fails.
docs: .venv/documents
	$(BIN)/python -m sphinx -E -W --keep-going --quiet -b html docs build/docs

# Wheel and sdist, as they would be published, and the core alone in a fresh environment. The build is not isolated: the
# editable installation was, with the same build requirements. The core is installed by the pip of .venv: it needs none.
package: .venv/installed
	rm -rf dist .venv-core
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/python -m twine check --strict dist/*
	$(PYTHON) -m venv --without-pip .venv-core
	$(BIN)/python -m pip --python .venv-core/bin/python install --quiet --no-compile dist/*.whl
	.venv-core/bin/python tests/core_only.py

.venv/installed: pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'expected Python 3.11 or later: make PYTHON=...')"
	$(PYTHON) -m venv .venv
	$(BIN)/python $(INSTALL) --editable '.[dev]'
	touch $@

.venv/documents: pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'expected Python 3.11 or later: make PYTHON=...')"
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/python $(INSTALL) --editable '.[docs]'
	touch $@

clean:
	rm -rf build dist docs/generated .venv .venv-core .pytest_cache .mypy_cache .ruff_cache bal.egg-info
