# `make help` lists what can be done. Every target installs what it needs first.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export SAM_CLI_TELEMETRY := 0
export QUICK
export PYTHONPATH := $(CURDIR)/shared:$(CURDIR)
# Without byte code every program here would start by compiling all that it imports.
unexport PYTHONDONTWRITEBYTECODE

# Words for people's clips travel in the environment as they were typed: no `$`, quote or backtick
# in them means anything to make or to a shell, nor to a make that one of these programs starts.
override IMAGE := $(value IMAGE)
override PROMPT := $(value PROMPT)
override PROVIDER := $(value PROVIDER)
override RESOLUTION := $(value RESOLUTION)
override DURATION := $(value DURATION)
override TOKEN_URL := $(value TOKEN_URL)
export IMAGE PROMPT PROVIDER RESOLUTION DURATION TOKEN_URL
MAKEOVERRIDES :=

.DEFAULT_GOAL := help
.PHONY: help demo test faults bench check lint types up drop down build deploy confirm lock schema golden clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: .venv/ready ## One image all the way, offline. Takes IMAGE= PROMPT= PROVIDER= RESOLUTION= DURATION=
	@$(BIN)/python -m local.demo

test: .venv/ready check ## Lint, types, template checks and all tests
	@mkdir -p out
	@$(BIN)/pytest tests/e2e > out/e2e.txt 2>&1 & e2e=$$!; \
	trap 'kill $$e2e 2> /dev/null' EXIT; trap 'exit 130' INT TERM; \
	echo "tests/e2e runs beside the others; what it says comes last"; failed=0; \
	$(BIN)/pytest -n 2 --ignore tests/e2e --ignore tests/faults \
		--cov --cov-report=term --cov-fail-under=95 || failed=1; \
	$(BIN)/pytest -n 2 tests/faults || failed=1; \
	wait $$e2e || failed=1; cat out/e2e.txt; exit $$failed

faults: .venv/ready ## Play every accident at every step, and count what was paid twice (nothing)
	$(BIN)/python -m local.faults

bench: .venv/bench ## Measure speed, cost, memory and starts; QUICK=1 takes two minutes
	$(BIN)/python -m local.bench

check: .venv/ready ## Format, lint, types and template, without the tests
	@$(MAKE) --no-print-directory -o $< -j 2 $(if $(filter output-sync,$(.FEATURES)),--output-sync) types lint

lint: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/sam validate --lint
	$(BIN)/cfn-lint template.yaml

types: .venv/ready
	$(BIN)/mypy

up: .venv/ready ## Keep the stack running on an embedded AWS, to play with
	@$(BIN)/python -m local.up

drop: .venv/ready ## Drop one image into what `make up` started. Takes what `make demo` takes
	@$(BIN)/python -m local.up --drop

down: .venv/ready ## Stop what `make up` started
	@$(BIN)/python -m local.up --down

build: .venv/ready ## Build the stack for AWS Lambda
	$(BIN)/sam build

deploy: build samconfig.local.toml ## Deploy to the AWS account of your credentials, asking for the parameters
	$(BIN)/sam deploy --guided --config-file samconfig.local.toml

confirm: .venv/ready ## Confirm a mail subscription that one click cannot end: TOKEN_URL='<link in the mail of SNS>'
	@$(BIN)/python -m local.confirm

samconfig.local.toml: # SAM saves the answers here, which git ignores: there are mail addresses in them
	cp samconfig.toml $@

schema: .venv/ready ## Write the sidecar's JSON Schema
	$(BIN)/python -m local.schema

golden: .venv/ready ## Write every mail anew under tests/golden, to be read before it is committed
	$(BIN)/python -m tests.golden.cases

lock: .venv/ready ## Pin the dependencies anew
	for name in requirements/uv shared/requirements layers/pillow/requirements requirements/dev requirements/embedded-aws requirements/bench; do \
		uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --upgrade \
			--generate-hashes --no-emit-index-url --no-emit-find-links \
			--custom-compile-command "make lock" $$name.in -o $$name.txt || exit 1; \
	done

clean: down ## Remove environments, builds and output
	rm -rf .venv .venv-aws .aws-sam out .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/ready: requirements/uv.txt requirements/dev.txt requirements/embedded-aws.txt
	@echo "installing (once) ..."
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv && $(PYTHON) -m venv .venv-aws
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip install --quiet --require-hashes --python .venv -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --require-hashes --python .venv-aws -r requirements/embedded-aws.txt
	@touch $@

.venv/bench: .venv/ready requirements/bench.txt
	@$(BIN)/uv pip install --quiet --require-hashes --python .venv -r requirements/bench.txt
	@touch $@
