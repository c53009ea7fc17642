# Two commands matter: `make up` talks to an agent, `make test` proves it. Both bootstrap what they need.

VENV := .venv
BIN := $(VENV)/bin
# The newest Python >= 3.11 that really runs (a version manager's shim may be there and not work).
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# The page `/dashboard`: built by the Node that a wheel brings, into the package.
PAGE := src/aigestion/api/dashboard_built/index.html
NODE_MODULES := web/node_modules/.package-lock.json
NPM := cd web && PATH="$(CURDIR)/$(BIN):$$PATH" npm

.PHONY: up up-full test prove guarantees check check-code check-wheel page format lock reference wheel bench bench-long clean

up: $(PAGE)
	$(BIN)/aigestion up

up-full: $(PAGE)
	$(BIN)/aigestion up --search elasticsearch

test: $(PAGE)
	$(BIN)/pytest

# What takes minutes, each mutant red among it; then a thousand faults, three times, each with a seed that is printed: for the night.
prove: $(STAMP)
	$(BIN)/pytest --numprocesses=0 -m nightly
	for run in 1 2 3; do $(BIN)/aigestion prove --faults 1000 || exit 1; done

# What is promised, from two runs made on the spot, each with a seed of its own: six minutes.
guarantees: $(STAMP)
	mkdir -p build
	for run in 1 2; do $(BIN)/aigestion prove --json > build/prove-$$run.json || exit 1; done
	$(BIN)/python -m aigestion.reference.guarantees build/prove-1.json build/prove-2.json

# Two halves that take as long, side by side: what is written, and the package as a stranger gets it.
check: $(PAGE)
	$(MAKE) --no-print-directory --jobs=2 check-code check-wheel

check-code: $(PAGE)
	$(BIN)/ruff format --check src tests bench examples deploy
	$(BIN)/ruff check src tests bench examples deploy
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(NPM) run --silent check
	$(BIN)/python -m aigestion.reference --check

check-wheel: $(PAGE)
	sh deploy/try_wheel.sh $(BIN)/python

page: $(PAGE)

format: $(STAMP)
	$(BIN)/ruff format src tests bench examples deploy
	$(BIN)/ruff check --fix src tests bench examples deploy

reference: $(STAMP)
	$(BIN)/python -m aigestion.reference --write

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
lock: $(STAMP)
	$(BIN)/$(COMPILE) --extra elasticsearch --extra embedded --extra eventsourcing --group dev pyproject.toml \
		-o requirements.lock
	$(BIN)/$(COMPILE) -c requirements.lock --extra embeddings pyproject.toml -o deploy/image.lock
	$(BIN)/$(COMPILE) -c requirements.lock deploy/build.in -o deploy/build.lock

# Every measurement, shortened, and the page docs/reference/performance.md: ten minutes on a quiet machine.
bench: $(STAMP)
	$(BIN)/python -m bench.report

# The long ones: logs of 1 and 10 million events, Elasticsearch, the audit CLI, and 20 minutes under faults.
bench-long: $(STAMP)
	$(BIN)/python -m bench.growth --keep bench/results
	$(BIN)/python -m bench.replay --keep bench/results
	$(BIN)/python -m bench.replay.beside
	$(BIN)/python -m bench.indexing
	$(BIN)/python -m bench.cli --folds
	$(BIN)/python -m bench.soak --keep bench/results
	$(BIN)/python -m bench.report --no-run

clean:
	rm -rf $(VENV) dist build web/node_modules $(dir $(PAGE))

# uv installs in seconds what takes pip a minute; pip does it where only its own configuration knows the way.
$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "AIGestion needs Python 3.11 or newer on the PATH."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	awk '/^uv==/ { found = 1 } found { print } found && !/\\$$/ { exit }' requirements.lock >$(VENV)/uv.lock
	$(PIP) --require-hashes -r $(VENV)/uv.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock || $(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $(STAMP)

$(NODE_MODULES): web/package-lock.json web/package.json web/.npmrc | $(STAMP)
	$(NPM) ci --silent --no-fund --no-audit
	@touch $@

$(PAGE): $(NODE_MODULES) web/index.html web/vite.config.ts web/tsconfig.json $(shell find web/src -type f)
	$(NPM) run --silent build -- --logLevel warn
