# Users' targets. Each does its own set-up; only Python 3.11+ and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TESTS ?= tests

.PHONY: setup demo test container-test bench lint lock
setup: $(VENV)/.done

$(VENV)/.done: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -c 'from mappings.baseline.many import ready; ready(print)'
	@touch $@

demo: setup
	@$(BIN)/setpoint demo $(if $(KEEP),--keep)

test: setup
	$(BIN)/python -m pytest $(TESTS)

container-test: setup
	bash tests/container/run.sh

bench: setup
	$(BIN)/python -m bench

lint: setup
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The locks carry hashes and no index address: one for development and tests, one for the image.
LOCK := $(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 -q pyproject.toml
lock:
	$(LOCK) --extra dev --extra populations --extra spark -o requirements.lock
	$(LOCK) --no-annotate -c requirements.lock -o requirements-runtime.lock
