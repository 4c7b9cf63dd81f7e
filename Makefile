# `make help` lists the targets. Every target first installs what it needs; see local/install.py.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export SAM_CLI_TELEMETRY := 0
export QUICK
export PYTHONPATH := $(CURDIR)/shared:$(CURDIR)
# Without byte code every program here would start by compiling all that it imports.
unexport PYTHONDONTWRITEBYTECODE
# Python 3.12 and 3.13 cannot count branches at little cost: coverage.py, "no-sysmon".
BRANCHES = $$($(BIN)/python -c "import sys; (3, 12) <= sys.version_info < (3, 14) or print('--cov-branch')")

# Words for people's clips travel in the environment as they were typed: no `$`, quote or backtick
# in them means anything to make or to a shell, nor to a make that one of these programs starts.
override IMAGE := $(value IMAGE)
override TAKES := $(value TAKES)
override PROMPT := $(value PROMPT)
override PROVIDER := $(value PROVIDER)
override RESOLUTION := $(value RESOLUTION)
override DURATION := $(value DURATION)
override TOKEN_URL := $(value TOKEN_URL)
override STACK := $(value STACK)
override REGION := $(value REGION)
override PARAMS := $(value PARAMS)
override PARAM := $(value PARAM)
override VALUE := $(value VALUE)
export IMAGE TAKES PROMPT PROVIDER RESOLUTION DURATION TOKEN_URL STACK REGION PARAMS PARAM VALUE
MAKEOVERRIDES :=

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz faults bench check audit template lint types up drop mails down build deploy \
	set destroy confirm lock pythons schema golden clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: .venv/ready ## Make one clip offline, or several (TAKES=3). Options: IMAGE= PROMPT= PROVIDER= RESOLUTION= DURATION=
	@$(BIN)/python -m local.demo

test: .venv/dev ## Run `make check` and all tests
	@mkdir -p out
	@$(BIN)/pytest tests/e2e > out/e2e.txt 2>&1 & e2e=$$!; \
	trap 'kill $$e2e 2> /dev/null' EXIT; trap 'exit 130' INT TERM; \
	echo "tests/e2e runs beside the others; its output comes last"; failed=0; \
	$(MAKE) --no-print-directory check || exit 1; \
	$(BIN)/pytest -n 2 --dist worksteal --ignore tests/e2e --cov $(BRANCHES) --cov-report=term \
		--cov-fail-under=95 || failed=1; \
	wait $$e2e || failed=1; trap - EXIT; cat out/e2e.txt; exit $$failed

fuzz: .venv/dev ## Try hostile sidecars, keys, images, answers of providers and clips (some 20,000)
	FUZZ=4 $(BIN)/pytest -q -m fuzz tests/unit

faults: .venv/dev ## Simulate faults at every step and count duplicate payments (none are allowed; with QUICK=1 a sample)
	@failed=0; $(BIN)/python -m local.faults $(if $(QUICK),--quick) || failed=1; \
	echo "mutations: each fence is taken away in turn, and must be missed"; \
	$(if $(QUICK),echo "not in the quick run; make test does it",$(BIN)/pytest -q -n 2 --dist worksteal \
		tests/faults/test_fences.py tests/faults/test_mutations.py || failed=1); exit $$failed

bench: .venv/bench ## Measure speed, cost, memory and starts (40 minutes; with QUICK=1 two)
	$(BIN)/python -m local.bench

check: .venv/dev ## Check format, lint, types and template
	@$(MAKE) --no-print-directory -o $< -j 2 $(if $(filter output-sync,$(.FEATURES)),--output-sync) types lint
	@$(BIN)/python -m local.counts

audit: .venv/dev .venv-checkov/ready ## Check the template that is deployed with checkov (its first run installs 190 MB)
	@$(BIN)/python -m local.audit

template: .venv/dev ## Write the template without SAM to out/template.json. Option: BUCKET=<for the code> makes it ready for the console
	@$(BIN)/python -m local.plain_template --bucket "$(BUCKET)"

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/sam validate --lint

types: .venv/dev
	$(BIN)/mypy

up: .venv/ready ## Start the stack on an embedded AWS and keep it running
	@$(BIN)/python -m local.up

drop: .venv/ready ## Drop one image into the stack of `make up`. Options as for `make demo`
	@$(BIN)/python -m local.up --drop

mails: .venv/ready ## Show the mails of the stack of `make up`, each once
	@$(BIN)/python -m local.up --mails

down: .venv/ready ## Stop the stack of `make up`
	@$(BIN)/python -m local.up --down

build: .venv/ready ## Build the stack for AWS Lambda
	@$(BIN)/python -m local.builds

deploy: .venv/ready ## Deploy to AWS; asks four questions. Options: STACK= REGION= PARAMS=<file>, which asks none
	@$(BIN)/python -m local.deploy

set: .venv/ready ## Change one parameter of the deployed stack: PARAM= VALUE=. Options: STACK= REGION=
	@$(BIN)/python -m local.deploy --set

destroy: .venv/ready ## Delete the deployed stack; asks before. Options: STACK= REGION=
	@$(BIN)/python -m local.deploy --destroy

confirm: .venv/ready ## Confirm a mail subscription so that one click cannot end it. Option: TOKEN_URL='<link in the mail from SNS>'
	@$(BIN)/python -m local.confirm

schema: .venv/dev ## Generate the JSON Schema of the sidecar
	$(BIN)/python -m local.schema

golden: .venv/dev ## Regenerate the mails in tests/golden; read them before you commit
	$(BIN)/python -m tests.golden.cases

lock: .venv/dev ## Update the pinned dependencies; fails where a Python from 3.11 to 3.14 would have to compile one
	@for name in requirements/uv shared/requirements layers/pillow/requirements requirements/run requirements/dev requirements/embedded-aws requirements/bench requirements/checkov; do \
		uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --upgrade \
			--generate-hashes --no-emit-index-url --no-emit-find-links \
			$$(test ! -f $$name.excludes || echo --excludes $$name.excludes) \
			--custom-compile-command "make lock" $$name.in -o $$name.txt || exit 1; \
		for python in 3.11 3.12 3.13 3.14; do \
			uv pip install --quiet --dry-run --no-deps --only-binary :all: --python-version $$python \
				--target out/none -r $$name.txt || exit 1; \
		done; \
	done

pythons: .venv/ready ## Install and run the demo in a fresh copy with every Python from 3.11 to 3.14 that is here
	@$(BIN)/python -m local.pythons

clean: ## Remove environments, builds and output, and stop `make up`
	@test ! -e .venv/ready || $(BIN)/python -m local.up --down
	rm -rf .venv .venv-aws .venv-checkov .aws-sam out .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/ready: requirements/uv.txt requirements/run.txt requirements/embedded-aws.txt
	@$(PYTHON) -I local/install.py ready

.venv/dev: .venv/ready requirements/dev.txt
	@$(BIN)/python -I local/install.py dev

.venv/bench: .venv/dev requirements/bench.txt
	@$(BIN)/python -I local/install.py bench

.venv-checkov/ready: .venv/ready requirements/checkov.txt
	@echo "installing checkov (once) ..."
	@$(PYTHON) -m venv .venv-checkov
	@$(BIN)/uv pip install --quiet --require-hashes --python .venv-checkov -r requirements/checkov.txt
	@touch $@
