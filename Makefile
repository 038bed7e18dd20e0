# Two commands do everything: `make run` serves on 127.0.0.1:3001, `make test` runs every test.
# Both set up what is missing first. Bare `make` is what CI runs: check, then test.

PYTHON ?= python3
PORT ?= 3001
BIN := .venv/bin
STAMPS := .venv/.stamps
# Speech cache and models live here unless CACHE_PATH says otherwise.
export CACHE_PATH ?= .cache/sayna
# numpy's threads would only fight the event loop: batches are small, processes are the unit.
export OPENBLAS_NUM_THREADS ?= 1

.DEFAULT_GOAL := all
.PHONY: all run test setup parts parts-bench check style types layers mirror links secrets generated \
        fast slow cover bench emulators lock docs clean

all: check test

run: $(STAMPS)/models ## Set up what is missing, then serve on 127.0.0.1:3001 (PORT=n to change)
	exec $(BIN)/sayna serve --host 127.0.0.1 --port $(PORT)

test: setup parts fast slow ## Set up what is missing, then run every test: the fast ones first

setup: $(STAMPS)/dev $(STAMPS)/models ## .venv, locked dependencies, local engines, models, hooks

parts: $(STAMPS)/dev ## Real programs that tests use, into .parts/ or from Debian
	@$(BIN)/python tools/parts.py

parts-bench: $(STAMPS)/dev ## Pipecat, for `make bench` to compare with; nothing else needs it
	@$(BIN)/python tools/parts.py bench

check: $(STAMPS)/dev style types layers mirror links secrets generated ## All that needs no running server

style: $(STAMPS)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
types: $(STAMPS)/dev
	$(BIN)/mypy
	$(BIN)/pyright
layers: $(STAMPS)/dev
	$(BIN)/lint-imports
mirror: $(STAMPS)/dev
	$(BIN)/python tools/check_mirror.py
links: $(STAMPS)/dev
	$(BIN)/python tools/check_links.py
secrets: $(STAMPS)/dev
	$(BIN)/pre-commit run --all-files detect-secrets
generated: $(STAMPS)/dev
	$(BIN)/python -m sayna.settings.reference --check

fast: $(STAMPS)/dev
	$(BIN)/pytest -q -n 2 -m "not slow"
slow: $(STAMPS)/dev
	$(BIN)/pytest -q -n 2 -m slow
	$(BIN)/python tools/parts.py --run engines -q tests/providers/local/test_real_engines.py

cover: $(STAMPS)/dev ## Which lines no fast test runs
	$(BIN)/coverage run -m pytest -q -m "not slow"
	$(BIN)/coverage report --skip-covered --show-missing

bench: $(STAMPS)/models $(STAMPS)/dev ## Measure, both sides in one run; results land in bench/results/
	$(BIN)/python -m bench

emulators: $(STAMPS)/dev ## Serve the emulated vendors on 127.0.0.1 and say how to point Sayna at them
	@exec $(BIN)/python -m tests.emulators

lock: ## Renew requirements/*.txt from pyproject.toml (needs uv)
	uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --extra local --extra client --extra build pyproject.toml \
	  -o requirements/runtime.txt
	uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --extra local --extra client --extra build --extra dev -c requirements/runtime.txt pyproject.toml \
	  -o requirements/dev.txt
	uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --extra local --extra build --extra vosk --extra sherpa --extra whisper \
	  --extra piper --extra kokoro --extra engines -c requirements/dev.txt pyproject.toml \
	  -o requirements/engines.txt
	uv pip compile -q --upgrade --universal --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --extra build --extra bench pyproject.toml -o requirements/bench.txt

clean: ## Forget everything that `make` built here
	rm -rf .venv .cache .parts .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Sayna needs Python 3.11 or newer; found: $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' \
	  || { echo "Python's venv module is missing. On Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv

$(STAMPS)/runtime: requirements/runtime.txt pyproject.toml | $(BIN)/python
	@mkdir -p $(STAMPS)
	@echo "Installing Sayna and its local engines into .venv (a minute the first time)"
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(STAMPS)/dev: requirements/dev.txt $(STAMPS)/runtime
	@echo "Installing the tools of development into .venv"
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@if [ -d .git ] && [ -z "$$CI" ]; then $(BIN)/pre-commit install >/dev/null || true; fi
	@touch $@

# Models are optional: without them the server runs and `sayna doctor` names the cure.
$(STAMPS)/models: $(STAMPS)/runtime src/sayna/inference/catalogue.py
	$(BIN)/sayna init && touch $@ || echo "No models for now: 'make setup' tries again, 'sayna doctor' tells what is missing."
