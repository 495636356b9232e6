# Everything runs in .venv/, which the first target that needs it makes.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3

.PHONY: demo test test-fast check format bench docs golden clean

# The main job on real data: trains LeNet-5 on 3 000 digits, searches it, prints the tables.
demo: $(VENV)/.demo
	$(BIN)/picojoule demo

# Two files of tests at a time, each with a thread of its own.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile
test: $(VENV)/.dev
	$(PYTEST)

test-fast: $(VENV)/.dev
	$(PYTEST) -m "not slow"

# Before each commit: format, lint, types, layers.
check: $(VENV)/.dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Each script under benchmarks/ makes one claim and prints it, on the demo's network where it needs one; docs/results has
# the commands for others. Peers get environments of their own, in .venv-peers/.
DEMO := lenet5 --checkpoint runs/demo/lenet5-seed0.safetensors --data mnist5k
bench: $(VENV)/.demo runs/demo/lenet5-seed0.safetensors
	$(BIN)/python benchmarks/fake_quantize.py
	$(BIN)/python benchmarks/low_precision.py
	$(BIN)/python benchmarks/kmeans.py
	$(BIN)/python benchmarks/training_step.py
	$(BIN)/python benchmarks/evaluation.py
	$(BIN)/python benchmarks/integers.py
	$(BIN)/python benchmarks/search.py $(DEMO)
	$(BIN)/python benchmarks/against_mct.py $(DEMO)
	$(BIN)/python benchmarks/floors.py $(DEMO) --samples 1000 --splits 5
	$(BIN)/python benchmarks/rescaling.py $(DEMO) --out runs/bench
	$(BIN)/python benchmarks/kills.py 100

runs/demo/lenet5-seed0.safetensors: $(VENV)/.demo
	$(BIN)/picojoule demo

# The examples and commands of README and docs are tested; this runs only those.
docs: $(VENV)/.dev
	$(BIN)/pytest tests/docs src

# Regenerate golden files, on purpose only.
golden: $(VENV)/.dev
	$(BIN)/pytest tests --golden

clean:
	rm -rf $(VENV) runs .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("picojoule needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=23.1"

# One installation serves both; the stamp is older than pyproject.toml when dependencies may have changed.
$(VENV)/.demo: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[demo]'
	touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@ $(VENV)/.demo
