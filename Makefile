# One-word helpers. Everything happens in .venv, which is made and kept up to date by itself.
# Another Python: make test PYTHON=python3.13 VENV=.venv313

VENV   ?= .venv
PYTHON ?=
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test check format lock chaos bench clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY)  ## a sample campaign against a simulated shop, with faults on
	$(BIN)/refunds demo

# Two at a time: most of them wait for processes and sockets. A file stays together, it may share what it started.
test: $(READY)  ## all tests but chaos and bench; starts what it needs
	$(BIN)/python -m pytest -m "not chaos and not bench" --numprocesses 2 --dist loadfile $(TEST_ARGS)

check: $(READY)  ## the gate: format, lint, import contracts, types, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(MAKE) test

format: $(READY)  ## format, and repair what lint can repair
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

chaos: $(READY)  ## >= 1,000 SIGKILLs over 100,000 jobs, about 45 minutes; short form: pytest -m chaos
	$(BIN)/python -m tests.chaos.run --report docs/benchmarks/chaos.md

bench: $(READY) $(VENV)-bench/.installed $(VENV)-bench-arq/.installed  ## measure beside the peers; parts: BENCH_ARGS="--variants bare,chunks --latency 50"
	$(BIN)/python -m tests.bench.run $(BENCH_ARGS)

# Under the oldest Python that we support: its dependencies include those of the newer ones.
PIP_COMPILE = CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --strip-extras \
	--allow-unsafe --no-emit-index-url --no-emit-trusted-host --no-emit-find-links $(LOCK_FLAGS)
lock: $(READY)  ## write requirements/ anew (LOCK_FLAGS=--upgrade for newer versions); needs Python 3.11
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
		|| { echo "make lock needs a .venv of Python 3.11: make lock PYTHON=python3.11 VENV=.venv311" >&2; exit 1; }
	$(PIP_COMPILE) --extra sandbox --extra dev --output-file requirements/locked.txt pyproject.toml
	$(PIP_COMPILE) --constraint requirements/locked.txt --output-file requirements/runtime.txt pyproject.toml
	$(PIP_COMPILE) --constraint requirements/locked.txt --output-file requirements/bench.txt requirements/bench.in
	$(PIP_COMPILE) --output-file requirements/bench-arq.txt requirements/bench-arq.in

clean:  ## remove what make and the tools wrote
	rm -rf $(VENV) $(VENV)-bench $(VENV)-bench-arq build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements/locked.txt pyproject.toml .ci/venv
	PYTHON="$(PYTHON)" sh .ci/venv "$(VENV)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/locked.txt
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Peers of the benchmark, apart from us: their dependencies are not ours, and arq asks for an older redis-py than the rest.
$(VENV)-bench/.installed $(VENV)-bench-arq/.installed: $(VENV)-%/.installed: requirements/%.txt .ci/venv
	PYTHON="$(PYTHON)" sh .ci/venv "$(VENV)-$*"
	$(VENV)-$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/$*.txt
	@touch $@
