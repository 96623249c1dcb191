# Every target sets up what it needs; `make help` lists them.
PYTHON ?= python3
TORCH_INDEX ?=
GRID ?= data/grids/default.yaml
WORKERS ?= 0

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export OMP_NUM_THREADS := 1
export TOKENIZERS_PARALLELISM := false

.DEFAULT_GOAL := help
.PHONY: help setup train-grid similarity-report test test-slow check bench world-encoders clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: $(READY)  ## make .venv with the locked versions (TORCH_INDEX=URL takes torch from another wheel index)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import platform, sys; \
	sys.version_info >= (3, 11) or sys.exit("simxfer needs Python 3.11 or newer, got " + sys.version.split()[0] + "; run make setup PYTHON=python3.11"); \
	(sys.platform, platform.machine()) != ("darwin", "x86_64") or sys.exit("torch has no wheel for Intel macOS; use Linux or an arm64 Mac")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(shell grep -E '^torch==' requirements.lock | cut -d' ' -f1)
	$(BIN)/pip install -q -r requirements.lock
	$(BIN)/pip install -q --no-deps -e .
	@touch $@

train-grid: $(READY)  ## train and evaluate a grid: GRID=FILE.yaml WORKERS=N; writes runs/NAME/
	$(BIN)/simxfer train $(GRID) --workers $(WORKERS)

similarity-report: $(READY)  ## write RUN/report/report.html: RUN=runs/NAME or data/published; trains the default grid first
ifdef RUN
	$(BIN)/simxfer report $(RUN)
else
	$(BIN)/simxfer train data/grids/default.yaml --workers $(WORKERS)
	$(BIN)/simxfer report runs/default
endif

test: $(READY)  ## fast tests, a few minutes
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: $(READY)  ## long tests: calibration, interruption, encoders made anew
	$(BIN)/python -m pytest -n 2 --dist loadfile -m slow

check: $(READY)  ## lint, format, types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(READY)  ## speed, side by side with other implementations; writes bench/results.json
	$(BIN)/python -m tests.bench --out bench/results.json

world-encoders: $(READY)  ## make the shipped encoders of the embedded world anew
	$(BIN)/python -m simxfer.training.pretrain --out data/encoders

clean:  ## remove caches and the environment; runs/ stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
