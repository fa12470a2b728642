# One place for the commands of the project. Every target sets up .venv by itself, again only when
# pyproject.toml or constraints.txt have changed.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo-run
# Two test processes share the cores: one thread of linear algebra each.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help demo test lint

help:  ## list the targets
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

demo: $(VENV)/.light  ## a report on two toy-world files, or on BEFORE=file AFTER=file
ifneq ($(and $(BEFORE),$(AFTER)),)
	$(BIN)/orderparam discover '$(BEFORE)' '$(AFTER)'
else
	$(BIN)/python -c "from pathlib import Path; from probes.toy_world import write_pair; write_pair(Path('$(DEMO)'), draws=40)"
	$(BIN)/orderparam discover $(DEMO)/before.jsonl $(DEMO)/after.jsonl --out $(DEMO)/toy-world
endif

test: $(VENV)/.test  ## the whole test suite on two processes
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 -m "not smollm2 and not vllm and not gpu and not slow"

lint: $(VENV)/.test  ## ruff (rules and format) and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p agent -p tools -p probes -p runs -p tests -m orderparam

$(VENV)/.light: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	@touch $@ $(VENV)/.light

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
