# geomix: `make study` shows a result, `make test` tests it, `make check` is what CI asks before it.
# A virtual environment of its own; PYTHON names the Python 3.11 to make it with.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
WORKDIR ?= work
STUDY ?= pipelines/studies/debug.yaml
JOBS ?= 2
STAMP := $(VENV)/.installed

.PHONY: study test check bench bench-pool planet compiled clean help

help: ## List these commands.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

study: $(STAMP) ## Run the debug study end to end (6 to 7 minutes on two cores) and print where the report is.
	$(VENV)/bin/geomix run $(STUDY) --workdir $(WORKDIR)

# A file's tests stay together (they share studies and servers), files in their order: whole studies, the longest, come first.
test: $(STAMP) ## Run the test-suite, in JOBS processes.
	$(VENV)/bin/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

check: $(STAMP) ## Lint, types, import contracts, the compiled pipeline.
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy --strict geomix
	$(VENV)/bin/lint-imports
	$(VENV)/bin/geomix compile --output build/geomix.yaml && diff -u pipelines/compiled/geomix.yaml build/geomix.yaml

bench: $(STAMP) ## Measure speed: ratios against a named baseline in the same run.
	$(VENV)/bin/python -m tests.bench

bench-pool: $(STAMP) ## Measure sampling at the scale of the planet: strata of millions, draws of 700,000 of 10 million.
	$(VENV)/bin/python -m tests.bench pool

planet: $(STAMP) ## Build a 10 km land grid in object storage and draw every strategy from it.
	.ci/planet $(VENV)/bin/geomix

compiled: $(STAMP) ## Write the compiled pipeline that is kept and compared.
	$(VENV)/bin/geomix compile --output pipelines/compiled/geomix.yaml

clean: ## Remove the virtual environment and build files; the work folder stays.
	rm -rf $(VENV) build *.egg-info

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "error: $(PYTHON) is not Python 3.11; name one: make study PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "error: this Python cannot make virtual environments; on Debian: apt-get install python3.11-venv" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(STAMP)
