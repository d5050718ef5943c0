# `make` sets up .venv and serves the sample cassettes; `make test` sets up and runs the tests.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PORT ?= 8080
# How many processes the tests run in, and more arguments for pytest.
JOBS ?= auto
PYTEST ?=

export HAIKU = {"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"A haiku about tests"}]}

.PHONY: serve demo test test-all newest toolchains lint typecheck check bench lock clean
.DEFAULT_GOAL := serve

# Forward proxy at PORT, reverse proxy at PORT+1, both offline from recordings/.
serve: $(VENV)/.runtime
	@echo "A forward proxy is at http://127.0.0.1:$(PORT), a reverse proxy at http://127.0.0.1:$$(($(PORT) + 1)):"
	@echo "both answer from recordings/, nothing goes out. Ctrl-C ends them. Try, in another terminal:"
	@echo
	@echo "    curl -N http://127.0.0.1:$$(($(PORT) + 1))/v1/chat/completions -d '$$HAIKU'"
	@echo
	@exec $(BIN)/mitmdump -q -s addon/vcr.py --listen-host 127.0.0.1 \
	    --mode regular@$(PORT) --mode reverse:https://api.openai.com@$$(($(PORT) + 1)) \
	    --set vcr_mode=replay --set vcr_cassette=haiku --set vcr_repeat=any

demo: $(VENV)/.upstream
	@$(BIN)/python -m tests.demo

# What a newcomer with nothing but Python can run, in a few minutes.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(JOBS) -m 'not toolchain and not slow' $(PYTEST)

# With what takes a test seconds, and the clients in other languages whose toolchains are installed.
test-all: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(JOBS) $(PYTEST)

# The proxy's own tests with the newest of all that pyproject.toml lets in, where that is not what is locked.
newest: $(VENV)/.dev
	@$(BIN)/uv pip compile --quiet --no-annotate --no-header --python $(BIN)/python pyproject.toml | sort > $(VENV)/newest.txt
	@$(BIN)/uv pip freeze --python $(BIN)/python | sort > $(VENV)/locked.txt
	@if [ -z "$$(comm -23 $(VENV)/newest.txt $(VENV)/locked.txt)" ]; then echo "The newest is what is locked."; \
	else echo "Newer than what is locked:"; comm -23 $(VENV)/newest.txt $(VENV)/locked.txt; \
	    $(MAKE) test-all LOCK= VENV=$(VENV)-newest PYTEST="-m 'not toolchain' tests/proxy tests/serving $(PYTEST)"; fi

# Fetches and builds those clients ahead of the tests.
toolchains: $(VENV)/.dev
	$(BIN)/python -m tests.sdk

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

typecheck: $(VENV)/.dev
	$(BIN)/mypy

check: lint typecheck test

bench: $(VENV)/.dev
	$(BIN)/python -m bench $(BENCH)

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache

# What is installed is what LOCK names, by uv, or by pip where uv cannot. `LOCK=` takes the newest there is.
LOCK ?= requirements/locked.txt
CONSTRAINTS = $(addprefix --constraint ,$(LOCK))
define install
	@if [ -x $(BIN)/uv ] && $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode $(CONSTRAINTS) $(1); \
	then :; else $(PIP) 'pip>=25.1' && $(PIP) $(CONSTRAINTS) $(1); fi
endef
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mitmvcr needs Python 3.11 or later: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	-@$(PIP) $(CONSTRAINTS) uv
	@touch $@

$(VENV)/.runtime: $(VENV)/.made pyproject.toml $(LOCK)
	$(call install,--editable .)
	@touch $@

$(VENV)/.upstream: $(VENV)/.runtime
	$(call install,--editable . --group upstream)
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml $(LOCK)
	$(call install,--editable . --group dev)
	@touch $@ $(VENV)/.runtime $(VENV)/.upstream

# Renew what the tests and tools are run with: the newest there is, and on Python 3.11 the oldest that pyproject.toml
# lets the product have.
UV_COMPILE = $(BIN)/uv pip compile --quiet --upgrade --no-annotate --no-header
lock: $(VENV)/.made
	$(UV_COMPILE) pyproject.toml --group dev --universal --python-version 3.11 --output-file requirements/locked.txt
	$(UV_COMPILE) pyproject.toml --resolution lowest-direct --no-deps --python-version 3.11 \
	    --output-file $(VENV)/lowest.txt
	$(UV_COMPILE) pyproject.toml --group dev --constraint $(VENV)/lowest.txt --python-version 3.11 \
	    --output-file requirements/lowest.txt
	cd tests/sdk/frameworks && $(abspath $(BIN))/uv pip compile --quiet --upgrade --no-annotate --no-header \
	    requirements.in --universal --python-version 3.11 --output-file requirements.txt
