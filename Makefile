# Every target creates its prerequisites, including the virtual environment.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SOURCES := contracts kling_mock kling_client tests benchmarks mutants docs

.PHONY: demo test exhaustive newest-python subset nightly soak kills races fuzz slow-clients faulty-servers mutants lint types format openapi docs site screenshot schemathesis bench clean

demo: $(VENV)/.base
	@$(BIN)/kling-mock demo

# Two workers more than there are cores, since many tests wait for processes, sockets and browsers.
# The cores are those of this process: a container may have fewer than its machine.
WORKERS ?= $(shell $(PYTHON) -c "import os; cores = getattr(os, 'sched_getaffinity', lambda _: range(os.cpu_count() or 1)); print(len(cores(0)) + 2)")

# Deterministic examples. Byte code is cached even if the environment disables that, as about fifty processes would
# compile everything.
TEST = $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --hypothesis-profile=ci --ignore=tests/typing
test exhaustive: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/.dev
	$(TEST) -m "not exhaustive"

# The rows and tests that repeat what others of their class show.
exhaustive: $(VENV)/.dev
	$(TEST) -m exhaustive

# The tests of the mock, the client and the distribution on the newest Python of this machine, in a separate environment.
# Most tests of the contract, and those of transports, plugin and pages, are left out: together with them CI takes too long.
newest-python:
	@newest=$$(.ci/newest-python); if test -z "$$newest"; then echo "no Python 3.12 or newer on this machine: skipped"; \
		else $(MAKE) --no-print-directory subset PYTHON="$$newest" VENV=.venv-newest; fi

subset: export PYTHONDONTWRITEBYTECODE :=
subset: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --dist worksteal --hypothesis-profile=ci tests/kling_mock/test_*.py tests/kling_mock/timing \
		tests/kling_mock/testing tests/kling_mock/stores tests/kling_client \
		tests/test_distribution.py tests/contracts/test_boundaries.py tests/contracts/test_validation.py \
		tests/contracts/test_violation_texts.py

# Many other examples, for the modules that have properties, all interleavings of two requests, and the largest bodies.
# SEED=... repeats a run.
SEED ?= $(shell date +%Y%m%d%H%M%S)
PROPERTIES = $(shell grep -rl --include='test_*.py' '^from hypothesis' tests)
nightly: $(VENV)/.dev
	@echo "make nightly SEED=$(SEED) repeats this run"
	$(BIN)/python -m pytest -n auto -o faulthandler_timeout=0 --hypothesis-profile=nightly --hypothesis-seed=$(SEED) $(PROPERTIES)
	FULL=1 $(BIN)/python -m pytest -n auto -o faulthandler_timeout=0 tests/kling_mock/stores/test_interleavings.py
	FULL=1 $(BIN)/python -m pytest tests/kling_mock/doors/test_stalls.py

# Mixed load over 300 connections on each state for this number of seconds. Fails for an error that was not scripted, and
# for memory, threads or files that grow.
STATES ?= memory sqlite redis
DURATION ?= 120
soak: $(VENV)/.dev
	@for state in $(STATES); do $(BIN)/python -m tests.kling_mock.soak $$state $(DURATION) || exit 1; done

# Kills a server with a state file 200 times under load, and prints figures. SEED=... repeats the delays.
KILLS ?= 200
kills: $(VENV)/.dev
	$(BIN)/python -m tests.kling_mock.killed_servers $(KILLS)

# 50 clients race for one external id, a thousand times, over four processes of which some are killed.
ROUNDS ?= 1000
races: $(VENV)/.dev
	$(BIN)/python -m tests.kling_mock.racing_clients $(ROUNDS)

# Hostile requests on a server: malformed, huge, odd, smuggled, cut off. SEED=... repeats them.
REQUESTS ?= 1000000
fuzz: $(VENV)/.dev
	@echo "make fuzz SEED=$(SEED) repeats these requests"
	$(BIN)/python -m tests.kling_mock.fuzz $(REQUESTS) $(SEED)

# Latencies of usual clients beside slow ones, idle ones, and bodies of 84 MB. Fails if p99 is 3 times that without.
slow-clients: $(VENV)/.dev
	$(BIN)/python -m tests.kling_mock.slow_clients

# Every faulty server, benign variant and faulty client; `make test` and `make exhaustive` run one for each check.
faulty-servers: $(VENV)/.dev
	FULL=1 $(BIN)/python -m pytest -n auto tests/contracts/verify tests/contracts/client_suite \
		tests/contracts/test_trial_operations.py tests/together/test_client_suite.py

# Mutation testing of the contract and of the mock's decisions: lists the faults that no test detects.
mutants: $(VENV)/.mutants
	nice -n 19 $(BIN)/python -m mutants $(MODULES)

lint: $(VENV)/.dev
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

# Types of the packages, then of public signatures as users see them, with the caches of the first; and of the
# dashboard's modules, by TypeScript from npm.
types: $(VENV)/.dev
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/python -m pytest -q tests/typing
	@.ci/dashboard-types

format: $(VENV)/.dev
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

# Regenerates the published OpenAPI documents; a test fails if they are out of date.
openapi: $(VENV)/.dev
	$(BIN)/kling-contracts openapi > contracts/kling_contracts/openapi/openapi.json.new
	mv contracts/kling_contracts/openapi/openapi.json.new contracts/kling_contracts/openapi/openapi.json
	$(BIN)/kling-contracts openapi --gateway kling > contracts/kling_contracts/openapi/openapi-kling.json.new
	mv contracts/kling_contracts/openapi/openapi-kling.json.new contracts/kling_contracts/openapi/openapi-kling.json

# Regenerates two pages of the documentation, the types of the control API for the dashboard, and the descriptions of faults that `explain` prints.
FAULTS := contracts/kling_contracts/checks/faults.json
docs: $(VENV)/.dev
	$(BIN)/python -m docs.generate
	$(BIN)/python -m tests.kling_mock.dashboard.model_types
	$(BIN)/python -m tests.contracts.verify.faulty_servers.catalogue > $(FAULTS).new
	mv $(FAULTS).new $(FAULTS)

# The documentation as a site in build/site. Fails for a link to a page or heading that does not exist. Searching needs a
# server: python -m http.server -d build/site
site: $(VENV)/.site
	$(BIN)/python -m docs.build_site

# Schemathesis on the documents and the mock, with many examples; prints the seed that repeats the run.
schemathesis: $(VENV)/.dev
	SCHEMATHESIS_EXAMPLES=200 $(BIN)/python -m pytest -n auto -rP tests/together/test_schemathesis.py \
		tests/together/test_control_schemathesis.py "tests/docs/test_pages.py::test_the_page_is_true[schemathesis]"

# The pictures of the README, rendered by Chromium or Chrome: a run of the demo, and the dashboard.
screenshot: $(VENV)/.dev
	$(BIN)/python docs/screenshot.py
	$(BIN)/python docs/dashboard_picture.py

# Needs wrk for the servers, and npm for two of them; what is missing is left out by name. Writes docs/performance.md.
bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks.bench

clean:
	rm -rf $(VENV) .venv-newest demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis .schemathesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing kling-mock into $(VENV)"
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing kling-mock and its tools into $(VENV)"
	@$(INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.base

# Apart from the packages of the tests, whose versions moto would change.
$(VENV)/.bench: $(VENV)/.dev
	@echo "installing moto, aimock and mountebank into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --target $(VENV)/moto 'moto[s3]==5.2.5'
	@if command -v npm > /dev/null; then npm install --silent --no-audit --no-fund --prefix $(VENV)/npm \
		@copilotkit/aimock@1.43.0 mountebank@2.9.1; fi
	@touch $@

$(VENV)/.site: $(VENV)/.dev
	@echo "installing zensical and mkdocstrings into $(VENV)"
	@$(INSTALL) --editable '.[dev,site]'
	@touch $@

$(VENV)/.mutants: $(VENV)/.dev
	@echo "installing cosmic-ray into $(VENV)"
	@$(INSTALL) --editable '.[dev,mutants]'
	@touch $@
