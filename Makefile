# Everything runs in .venv/, which the first target that needs it makes.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3

.PHONY: demo test test-fast test-minimum check format results results-long bench docs dist dist-check golden clean

# The main job on real data: trains LeNet-5 on 3 000 digits, searches it, prints the tables.
demo: $(VENV)/.demo
	$(BIN)/picojoule demo

# Three files of tests at a time on two cores, since some of them wait; each with a thread of its own.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 3 --dist loadfile
test: $(VENV)/.dev
	$(PYTEST)

test-fast: $(VENV)/.dev
	$(PYTEST) -m "not slow"

# At the least versions that pyproject.toml allows. Another Python takes `make test VENV=.venv-3.13 PYTHON=python3.13`.
# Both take gigabytes where the index has torch with CUDA alone.
MINIMUM := $(VENV)-minimum
test-minimum: $(VENV)/.dev
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(MINIMUM)
	$(BIN)/uv pip install --quiet --python $(MINIMUM) --resolution lowest-direct --editable '.[dev]'
	OMP_NUM_THREADS=1 $(MINIMUM)/bin/pytest -n 2 --dist loadfile -m "not slow"

# Before each commit: format, lint, types, layers.
check: $(VENV)/.dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# The pages of docs/results, measured anew on the data and the networks in the folder DATA (benchmarks/results says which
# files); the second takes hours.
DATA := data
RESULTS := $(BIN)/python benchmarks/results --data $(DATA)
results: $(VENV)/.dev
	$(RESULTS) test-time bits-per-layer rescaling energy-model exactness deep-compression four-bits speed

results-long: $(VENV)/.dev
	$(RESULTS) trained minimum-energy

# What docs/results/search.md and robustness.md claim, on the demo's network; each script makes one claim and prints it.
# Peers get environments of their own, in .venv-peers/.
DEMO := lenet5 --checkpoint runs/demo/lenet5-seed0.safetensors --data mnist5k
bench: $(VENV)/.demo runs/demo/lenet5-seed0.safetensors
	$(BIN)/python benchmarks/search.py $(DEMO)
	$(BIN)/python benchmarks/against_mct.py $(DEMO)
	$(BIN)/python benchmarks/floors.py $(DEMO) --samples 1000 --splits 5
	$(BIN)/python benchmarks/trained.py 1
	$(BIN)/python benchmarks/kills.py 100

runs/demo/lenet5-seed0.safetensors: $(VENV)/.demo
	$(BIN)/picojoule demo

# The documents as a static site with search, site/index.html. A link or a name that leads nowhere fails it.
docs: $(VENV)/.dev
	$(BIN)/sphinx-build -E -q -W --keep-going -d $(VENV)/doctrees docs site

# Wheel and source distribution: the same bytes from the same tree. tests/distribution says what is in them.
dist: $(VENV)/.dev
	rm -rf dist
	$(BIN)/uv build --quiet --build-constraint constraints.txt
	$(BIN)/uv tool run --quiet --constraints constraints.txt twine check --strict dist/*

# What a user does first, with each of the two: a fresh environment, an empty folder, the demonstration.
dist-check: dist
	for each in dist/*.whl dist/*.tar.gz; do tests/distribution/first_steps.sh $(PYTHON) $$each || exit; done

# Regenerate golden files, on purpose only.
golden: $(VENV)/.dev
	$(BIN)/pytest tests --golden

clean:
	rm -rf $(VENV) $(MINIMUM) dist runs site .mypy_cache .ruff_cache .pytest_cache .hypothesis

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
