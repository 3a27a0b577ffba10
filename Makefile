# Everything a developer runs. A bare machine needs make and Python 3.11 or newer, nothing else:
# what more there is goes into .venv, from files locked with hashes. `make` alone lists the targets.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# The caller's own Python settings must not leak into the environment that is built here.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV CONDA_PREFIX
# Or each of the many processes of a test compiles a thousand modules anew, half a second of CPU.
unexport PYTHONDONTWRITEBYTECODE
unexport PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIREMENT PIP_CONSTRAINT
unexport UV_PYTHON UV_SYSTEM_PYTHON UV_TARGET UV_PREFIX UV_PROJECT_ENVIRONMENT UV_CONSTRAINT

# pytest workers. The tests wait on processes and sockets more than they compute; a module stays on
# one worker, because the modules of the system tests start a whole runbus each.
TEST_WORKERS ?= 2
PYTEST_ARGS  ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.SUFFIXES:
.PHONY: kube image-base promtool simulate help setup setup-demo demo test lint types imports generated chart rendered check bench bench-drawing contracts lock format clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) \
	  | while IFS='|' read -r name text; do printf '%-20s %s\n' "$$name" "$$text"; done

# --- the environment ------------------------------------------------------------------------------
# One stamp a step: a second run does nothing, a changed lock installs again. The environment holds
# absolute paths, so one that was moved, or whose Python is gone, is made anew.

ifneq ($(wildcard $(VENV)/.stamp-uv),)
ifneq ($(shell cat $(VENV)/.stamp-uv),$(CURDIR))
$(shell rm -f $(VENV)/.stamp-*)
else ifneq ($(shell $(BIN)/python -c 'print("runs")' 2>/dev/null),runs)
$(shell rm -f $(VENV)/.stamp-*)
endif
endif

# The tools include all that the demo needs: once they are installed, the demo uses them.
ENVIRONMENT_OF_DEMO := $(if $(wildcard $(VENV)/.stamp-dev),$(VENV)/.stamp-dev,$(VENV)/.stamp-local)

setup: $(VENV)/.stamp-dev  ## .venv with everything for developing, from requirements/dev.txt

setup-demo: $(ENVIRONMENT_OF_DEMO)  ## .venv with what running needs, from requirements/local.txt

$(VENV)/.stamp-uv: requirements/uv.txt
	@command -v $(PYTHON) >/dev/null || { \
	  echo "runbus needs Python 3.11 or newer, and there is no '$(PYTHON)' here." >&2; \
	  echo "Install one, or name it: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "runbus needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1)." >&2; \
	  echo "Name a newer one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' comes without its venv module; install it (Debian: python3-venv)." >&2; \
	  exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --require-hashes --requirement requirements/uv.txt
	@printf '%s' '$(CURDIR)' > $@

$(VENV)/.stamp-dev: $(VENV)/.stamp-uv requirements/dev.txt pyproject.toml
	$(call install,requirements/dev.txt)
	@touch $@

$(VENV)/.stamp-local: $(VENV)/.stamp-uv requirements/local.txt pyproject.toml
	$(call install,requirements/local.txt)
	@touch $@

# Exactly what the locks name (uv itself is in one of them), then runbus, editable. uv does not read
# pip's settings: a mirror or certificates that pip was told of are passed on.
define as_pip_was_told
told() { $(BIN)/python -m pip config list 2>/dev/null \
    | sed -n "s/^[^=]*\.$$1='\(.*\)'$$/\1/p" | head -n 1; }; \
  if [ -z "$$UV_DEFAULT_INDEX$$UV_INDEX_URL" ]; then \
    index="$$(told index-url)"; [ -z "$$index" ] || export UV_DEFAULT_INDEX="$$index"; fi; \
  if [ -z "$$SSL_CERT_FILE" ]; then \
    cert="$$(told cert)"; [ -z "$$cert" ] || export SSL_CERT_FILE="$$cert"; fi
endef

define install_into
@$(as_pip_was_told); \
  echo "installing $(2)" && \
  $(BIN)/uv pip sync --quiet --python $(1)/bin/python --require-hashes $(2)
endef

define install
@$(as_pip_was_told); \
  echo "installing $(1)" && \
  $(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes \
    $(1) requirements/uv.txt && \
  $(BIN)/uv pip install --quiet --python $(BIN)/python --no-build-isolation --no-deps \
    --editable .
endef

# --- running --------------------------------------------------------------------------------------

demo: setup-demo  ## runs that complete, are refused and get stuck, shown live, in two minutes
	$(BIN)/runbus demo

# --- checking, the cheapest first -----------------------------------------------------------------

check: generated lint imports types chart test  ## all of the below, as continuous integration runs it

generated: setup  ## schemas, asyncapi.yaml, docs/settings.md and deploy/ are those of the code
	$(BIN)/python -m runbus.contracts.export --check
	$(BIN)/python -m runbus.cli.settings_page --check
	PYTHONPATH=deploy/generator $(BIN)/python -m runbus_deploy --check

# Without its cache: what ruff knows of first-party modules would outlive a new one.
lint: setup  ## ruff: rules and format
	$(BIN)/ruff check --quiet --no-cache .
	$(BIN)/ruff format --quiet --no-cache --check .

imports: setup  ## import-linter: who may import whom
	$(BIN)/lint-imports --no-logo

types: setup  ## mypy, strict
	$(BIN)/mypy

test: setup  ## unit, contract and integration tests, on a real nats-server and the local cluster
	$(BIN)/python -m pytest -q -n $(TEST_WORKERS) --dist loadscope $(PYTEST_ARGS)

# Helm as a library and the policies of checkov are each larger than everything else, and checkov holds
# others' versions down: an environment each, 20 seconds on the first run.
CHECKOV = $(VENV)-checkov/bin/checkov --quiet --compact --skip-download --framework

chart: $(VENV)-chart/.stamp $(VENV)-checkov/.stamp  ## the image's and the chart's rules: rendered, valid, restricted
	PYTHONPATH=deploy/generator $(VENV)-chart/bin/python -m runbus_deploy.rendered --check
	$(VENV)-chart/bin/python -m pytest -q tests/chart
	$(CHECKOV) dockerfile --directory deploy/docker
	rm -rf $(VENV)-chart/rendered && mkdir $(VENV)-chart/rendered
	PYTHONPATH=deploy/generator $(VENV)-chart/bin/python -m runbus_deploy.rendered \
	  --whole $(VENV)-chart/rendered
	$(CHECKOV) kubernetes --directory $(VENV)-chart/rendered \
	  --skip-check $(shell sed -n 's/^\(CKV[A-Z0-9_]*\).*/\1/p' deploy/helm/checkov-skipped.txt | paste -sd,)

rendered: $(VENV)-chart/.stamp  ## write deploy/rendered anew: the chart's rights as plain manifests
	PYTHONPATH=deploy/generator $(VENV)-chart/bin/python -m runbus_deploy.rendered

# uv is in the first environment; it installs in seconds where pip takes a minute.
$(VENV)-chart/.stamp $(VENV)-checkov/.stamp: $(VENV)-%/.stamp: $(VENV)/.stamp-dev requirements/%.txt
	$(PYTHON) -m venv --clear $(VENV)-$*
	$(call install_into,$(VENV)-$*,requirements/$*.txt)
	@touch $@

# Prints where they are. KUBEBUILDER_ASSETS names some that a machine has already. `make test` without
# them skips what needs them.
kube: $(VENV)/.stamp-uv  ## a Kubernetes control plane for the tests, built in 5 minutes into the cache
	@PYTHON=$(BIN)/python tests/support/control_plane/build.sh

image-base:  ## a base image of Debian's packages, for the tests that build the real image
	@tests/support/image_base.sh

# --- measuring ------------------------------------------------------------------------------------
# Some benchmarks only: make bench BENCH="reading timers". A quick look: make bench BENCH_ARGS=--quick

BENCH      ?=
BENCH_ARGS ?=

bench: setup  ## figures against their goals, as a table and in .bench/results.json, in 20 minutes
	PYTHONPATH=tests $(BIN)/python -m bench $(BENCH) $(BENCH_ARGS)

SEED  ?=
COUNT ?= 2000

# Prometheus' checker of rules, of Debian's package, into a cache of the user's: nothing is installed.
PROMTOOL_FOLDER ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/runbus/prometheus

promtool: $(PROMTOOL_FOLDER)/usr/bin/promtool  ## Prometheus' checker, for the tests of the alert rules

$(PROMTOOL_FOLDER)/usr/bin/promtool:
	@command -v apt-get >/dev/null || { \
	  echo "promtool comes with Prometheus: install that, so that it is on the PATH." >&2; exit 1; }
	mkdir -p $(PROMTOOL_FOLDER)/packages
	cd $(PROMTOOL_FOLDER)/packages && { apt-get download --quiet --quiet prometheus 2>/dev/null || \
	  { apt-get update --quiet --quiet && apt-get download --quiet --quiet prometheus; }; }
	dpkg-deb --extract $(PROMTOOL_FOLDER)/packages/prometheus_*.deb $(PROMTOOL_FOLDER)
	rm -rf $(PROMTOOL_FOLDER)/packages $(PROMTOOL_FOLDER)/usr/bin/prometheus
	@touch $@

simulate: setup  ## play seeds of the simulation: SEED=1234 tells its story, COUNT=2000 plays many
	cd tests && ../$(BIN)/python -m simulation $(if $(SEED),--seed $(SEED),--count $(COUNT))

# matplotlib is many times larger than everything else: it gets an environment of its own.
bench-drawing: $(VENV)-drawing/.stamp  ## draw docs/benchmarks/*.png from .bench/results.json
	$(VENV)-drawing/bin/python tests/bench/drawing.py .bench/results.json docs/benchmarks

$(VENV)-drawing/.stamp: $(VENV)/.stamp-uv requirements/drawing.txt
	$(PYTHON) -m venv --clear $(VENV)-drawing
	$(VENV)-drawing/bin/python -m pip install --quiet --disable-pip-version-check \
	  --require-hashes --requirement requirements/drawing.txt
	@touch $@

# --- changing -------------------------------------------------------------------------------------

format: setup  ## ruff: format, and mend what can be mended
	$(BIN)/ruff check --quiet --fix .
	$(BIN)/ruff format --quiet .

contracts: setup  ## write the schemas, asyncapi.yaml, docs/settings.md and parts of deploy/ anew
	$(BIN)/python -m runbus.contracts.export
	$(BIN)/python -m runbus.cli.settings_page
	PYTHONPATH=deploy/generator $(BIN)/python -m runbus_deploy

# `make lock` keeps the versions that stand; LOCK_ARGS=--upgrade takes the newest.
LOCK_ARGS ?=
COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
  --no-header --python-version 3.11 $(LOCK_ARGS)

lock: $(VENV)/.stamp-uv  ## compile requirements/*.txt anew
	$(COMPILE) pyproject.toml --extra dev -o requirements/dev.txt
	$(COMPILE) pyproject.toml requirements/build.in --extra local \
	  -c requirements/dev.txt -o requirements/local.txt
	$(COMPILE) pyproject.toml --extra cli --extra services --extra otel \
	  -c requirements/dev.txt -o requirements/services.txt
	$(COMPILE) requirements/build.in -c requirements/dev.txt -o requirements/build.txt
	$(COMPILE) requirements/uv.in -o requirements/uv.txt
	$(COMPILE) requirements/drawing.in -o requirements/drawing.txt
	$(COMPILE) requirements/chart.in -o requirements/chart.txt
	$(COMPILE) requirements/checkov.in -o requirements/checkov.txt
	$(COMPILE) requirements/kube.in -o requirements/kube.txt

clean:  ## remove the environment and everything that tools have written
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find contracts services tests examples -name __pycache__ -type d -prune -exec rm -rf {} +
