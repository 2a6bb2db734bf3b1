# Everything lives in this checkout: the environment in .venv, JupyterLab's files in .jupyter, the demo's in demo/run.
# Paths are relative, so that a checkout with spaces in its path works.
SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON ?= python3
ARGS ?=
COURSE ?= .
BIN := .venv/bin
VENV_PYTHON := $(BIN)/python
PIP := $(VENV_PYTHON) -m pip --disable-pip-version-check --no-input
DL1_SOURCES := $(shell find dl1 -name '*.py' -o -path 'dl1/data/*.txt')
ENV := .venv/.installed
DL1 := .venv/.dl1-installed

.PHONY: help demo test test-fast lab check misconceptions mutants rewritten bundle wheel clean distclean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

demo: $(DL1) ## the course from source to feedback, with three example students
	@$(VENV_PYTHON) -m demo $(ARGS)

test: check ## all checks and tests; lists what was skipped
	@$(VENV_PYTHON) -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder \
		--durations 25 --durations-min 5 $(ARGS)

test-fast: check ## the checks, and the tests that need no more than seconds
	@$(VENV_PYTHON) -m pytest --numprocesses auto -m "not slow" $(ARGS)

# nbgrader takes its configuration from the folder where JupyterLab starts, its terminals from JUPYTER_CONFIG_PATH.
lab: $(DL1) ## JupyterLab on the course; COURSE=demo/run/course opens the demo's, ARGS are passed on
	@cd "$(COURSE)" && PATH="$(CURDIR)/$(BIN):$$PATH" \
	JUPYTER_CONFIG_DIR="$(CURDIR)/.jupyter/config" \
	JUPYTER_CONFIG_PATH="$$PWD" \
	JUPYTER_DATA_DIR="$(CURDIR)/.jupyter/data" \
	JUPYTER_RUNTIME_DIR="$(CURDIR)/.jupyter/runtime" \
	IPYTHONDIR="$(CURDIR)/.jupyter/ipython" \
	MPLCONFIGDIR="$(CURDIR)/.jupyter/matplotlib" \
	"$(CURDIR)/$(VENV_PYTHON)" -m jupyterlab \
		$$([ "$$(id -u)" = 0 ] && echo --allow-root) $(ARGS)

check: $(DL1) ## style of the code, form and rules of the notebooks
	@$(VENV_PYTHON) -m ruff check
	@$(VENV_PYTHON) -m ruff format --check
	@$(VENV_PYTHON) -m proctor.authoring.normalise --check source
	@$(VENV_PYTHON) -m proctor.authoring.lint source

misconceptions: $(DL1) ## apply every catalogued answer; print which graded cells lose points
	@$(VENV_PYTHON) -m proctor.catalogue source/assignment2 misconceptions $(ARGS)

mutants: $(DL1) ## change every reference answer by rule; print which changes no test of its question notices
	@$(VENV_PYTHON) -m proctor.catalogue source/assignment2 misconceptions --mutants $(ARGS)

rewritten: $(DL1) ## write every reference answer in other ways by rule; print which of them lose points
	@$(VENV_PYTHON) -m proctor.catalogue source/assignment2 misconceptions --rewritten $(ARGS)

bundle: $(ENV) ## one archive for students, of release/: notebooks, wheels, requirements, start page; in dist/
	@rm -f dist/dl1-*.whl dist/dl1_student_lab-*.whl
	@$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir dist ./dl1 ./deploy/student
	@rm -rf dl1/build dl1/*.egg-info deploy/student/build deploy/student/*.egg-info
	@$(VENV_PYTHON) -m deploy.bundle $(ARGS)

wheel: $(ENV) ## dl1 as one file for students, in dist/
	@$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir dist ./dl1
	@rm -rf dl1/build dl1/*.egg-info
	@ls dist/dl1-*.whl

clean: ## remove caches and the demo's course; keep the environment and all student work
	rm -rf demo/run scratch dist build dl1/build deploy/student/build *.egg-info dl1/*.egg-info deploy/student/*.egg-info .pytest_cache .ruff_cache
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## also remove the environment and JupyterLab's settings
	rm -rf .venv .jupyter

# A stamp is written after everything in its rule has worked, so an interrupted installation is simply taken up again.
$(ENV): constraints.txt pyproject.toml dl1/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "The staff's tools need Python 3.11 or newer; '$(PYTHON)' is older or missing."; \
		echo "Name another one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
		echo "'$(PYTHON)' cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Setting up .venv; PyTorch is large, so the first time takes some minutes."
	$(PYTHON) -m venv .venv
	$(PIP) install -c constraints.txt setuptools
	$(PIP) install -c constraints.txt --no-build-isolation --editable ".[dev]" "./dl1[notebooks]"
	@rm -rf dl1/build dl1/*.egg-info
	@touch $@

# dl1 is installed, not linked: what students import is then what they will get, and a sandbox need not see this checkout.
# Without the other file, a mistake in the course's settings would have nbgrader grade alone, in no sandbox.
$(DL1): $(ENV) $(DL1_SOURCES) deploy/jupyter_config.py
	@mkdir -p .venv/etc/jupyter && cp deploy/jupyter_config.py .venv/etc/jupyter/
	@$(PIP) install --quiet --no-deps --no-build-isolation --force-reinstall ./dl1
	@rm -rf dl1/build dl1/*.egg-info
	@touch $@
