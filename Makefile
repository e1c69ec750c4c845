# `make demo` and `make test` need python3 (3.11 or newer), make and git, nothing else.
PYTHON ?= python3
VENV ?= .venv
RUN ?= runs/demo
# test files run in so many processes at a time, each on one core, in their order: sorted by the number of tests, which is
# what xdist does by itself, the longest files would come last
PROCESSES ?= 2

BIN := $(VENV)/bin
CORE := $(VENV)/.core-installed
DEV := $(VENV)/.dev-installed
# for instance an index with builds of torch for your processor or graphics card
PIP_OPTIONS ?=
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt $(PIP_OPTIONS)

# The theme warns of its own future, at length, on every build.
export NO_MKDOCS_2_WARNING := 1

.PHONY: help demo test quick lint docs format fuzz clean
.NOTPARALLEL:

help:
	@echo "make demo     a whole study on phantoms made on the spot; prints where its report is"
	@echo "make test     every check that CI runs"
	@echo "make quick    the same without the slow tests"
	@echo "make lint     format, lint, types, floors"
	@echo "make fuzz     open COUNT=20000 mutated files of every format; what fails is kept in fuzz-failures/"
	@echo "make docs     build the documentation into site/"
	@echo "make format   put the code into its one format"
	@echo "make clean    remove what these commands made, except runs/"

# torch goes first and by itself: whatever is resolved later finds it in place and brings no other build of it.
$(CORE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@echo "Making $(VENV): this takes some minutes the first time."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "python3 cannot make a virtual environment: install its venv module (python3-venv)"; exit 1; }
	@$(PIP) pip
	@$(PIP) torch
	@$(PIP) -e .
	@touch $@

$(DEV): $(CORE)
	@echo "Installing the tools that check and document."
	@$(PIP) -e '.[dev]'
# an oracle that asks for opencv-python, which overwrites the headless one that grad-cam brings: all that it imports is there
	@$(PIP) --no-deps quantus cachetools
	@touch $@

demo: $(CORE)
	@$(BIN)/whyscan demo --out $(RUN) $(if $(wildcard $(RUN)/run.json),--resume) || \
	  { echo "If $(RUN) was made by another version: make demo RUN=runs/another"; exit 1; }
	@echo "The report: $(abspath $(RUN)/report.html)"

test: lint docs
	$(PYTEST) --cov --cov-report=term

quick: lint
	$(PYTEST) -m "not slow"

lint: $(DEV)
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m ruff check
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

docs: $(DEV)
	$(BIN)/python -m mkdocs build --strict --quiet

format: $(DEV)
	$(BIN)/python -m ruff check --fix
	$(BIN)/python -m ruff format

fuzz: $(DEV)
	$(BIN)/python tests/safety/fuzz.py --count $(or $(COUNT),20000)

clean:
	rm -rf $(VENV) site build dist .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
