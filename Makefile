# Everything that a developer or CI runs. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON3 ?= python3
UV_VERSION := 0.13.8
BIN := .venv/bin
PYTEST := $(BIN)/pytest
CLUSTER := $(BIN)/python tests/cluster

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

# ---- the environment

.PHONY: setup
setup: .venv/.ready ## Make .venv from the lock file, alone

.venv/.ready: pyproject.toml uv.lock
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or later is needed, $(PYTHON3) is $$($(PYTHON3) -V); set PYTHON3=…" >&2; exit 1; }
	@$(PYTHON3) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "error: $(PYTHON3) has no venv module; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "setting up .venv (under a minute)"
	@test -x $(BIN)/python || $(PYTHON3) -m venv .venv
	@$(BIN)/uv --version 2>/dev/null | grep -q ' $(UV_VERSION)' || $(BIN)/pip --quiet install uv==$(UV_VERSION)
	@VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv sync --quiet --frozen --all-extras --no-extra gpu \
	  --group test-speech --inexact
	@touch $@

.PHONY: setup-torch
setup-torch: .venv/.torch-ready ## Add torch to it: half a minute where the network is fast, 5 GB

# Nothing here compiles: triton stays away, as it does in the image.
.venv/.torch-ready: .venv/.ready
	@echo "adding torch to .venv"
	@VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv sync --quiet --frozen --all-extras --group test-speech \
	  --no-install-package triton --inexact
	@touch $@

.PHONY: crds
crds: setup ## Generate crds/, the chart's copy and docs/reference from the models
	@$(BIN)/python -m videojob_api.schema crds
	@$(BIN)/python -m videojob_api.schema charts/videojob/files/crds
	@$(BIN)/python docs/reference/write.py docs/reference

# ---- checks

.PHONY: fmt
fmt: setup ## Format the code
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

.PHONY: lint
lint: setup ## Style, types, import rules, generated files
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@cd tests/cluster && $(CURDIR)/$(BIN)/mypy --config-file= --strict --untyped-calls-exclude=kubernetes *.py
	@cd tests/scale && MYPYPATH=../cluster:../../operator $(CURDIR)/$(BIN)/mypy --config-file= --strict *.py
	@cd docs/reference && MYPYPATH=../../operator $(CURDIR)/$(BIN)/mypy --config-file= --strict *.py
	@$(BIN)/lint-imports --no-cache | tail -n 2
	@$(BIN)/python -m videojob_api.schema --check crds
	@$(BIN)/python -m videojob_api.schema --check charts/videojob/files/crds
	@$(BIN)/python docs/reference/write.py --check docs/reference

.PHONY: test-unit
test-unit: setup ## Unit tests: no cluster, no ffmpeg, under 30 s
	@$(PYTEST) -q -n logical tests/unit tests/test_layout.py

.PHONY: test-integration
test-integration: setup-torch ## Real ffmpeg, real MinIO process, no cluster
	@$(CLUSTER)/packages.py
	@$(CLUSTER)/browser.py
	@$(CLUSTER)/vmaf_program.py > /dev/null
	@$(CLUSTER)/binaries.py minio versitygw > /dev/null
	@$(PYTEST) -q -n logical tests/integration

.PHONY: test-chart
test-chart: setup ## The Helm charts, and what GitOps tools make of our resources
	@$(CLUSTER)/binaries.py helm kubeconform helm-unittest kstatus promtool > /dev/null
	@$(PYTEST) -q tests/chart tests/gitops

.PHONY: test-e2e
test-e2e: deploy ## The whole on the local cluster
	@$(CLUSTER)/packages.py
	@$(CLUSTER)/images.py load minio > /dev/null
	@$(PYTEST) -q -n 3 --dist loadfile -m "not alone and not large and not long" tests/e2e
	@$(PYTEST) -q -m "alone and not large and not long" tests/e2e

.PHONY: test
test: lint test-unit test-integration test-chart test-e2e ## Everything: lint, unit, integration, chart, end to end

.PHONY: test-full
test-full: test ## The same, and what takes minutes or an image of several GB
	@$(PYTEST) -q -m long tests/integration
	@$(PYTEST) -q -m "large or long" tests/e2e

.PHONY: fuzz
fuzz: setup ## Bad files without end: SEED=… FIRST=… COUNT=…, or REPLAY=a file that was kept
	@$(CLUSTER)/packages.py
	@PYTHONPATH=tests $(BIN)/python -m corpus.fuzz $(if $(SEED),--seed $(SEED)) \
	  $(if $(FIRST),--first $(FIRST)) $(if $(COUNT),--count $(COUNT)) $(if $(REPLAY),--replay $(REPLAY))

# ---- the cluster

.PHONY: cluster
cluster: setup ## Start the local Kubernetes (kind where Docker answers)
	@$(CLUSTER)/cluster.py up

.PHONY: cluster-down
cluster-down: setup ## End it; nothing is left behind
	@$(CLUSTER)/cluster.py down

.PHONY: images
images: setup ## Build both images where they are out of date
	@$(CLUSTER)/images.py build operator worker

.PHONY: deploy
deploy: cluster ## Install the chart with the images of this checkout
	@$(CLUSTER)/deploy.py

.PHONY: demo
demo: setup ## From nothing to a finished video, on a real cluster
	@$(CLUSTER)/demo.py

# ---- measuring

.PHONY: bench
bench: setup ## How fast it is, as tables, kept in docs/benchmarks.md; one of them with PART=ladder
	@$(CLUSTER)/packages.py
	@$(if $(filter-out latency progress,$(PART)),,$(CLUSTER)/cluster.py up)
	@PYTHONPATH=tests/cluster $(BIN)/python tests/bench/run.py $(PART)

.PHONY: scale
scale: setup ## How it stands up to 10,000 VideoJobs (JOBS=1000 PARTS="line latency" for less)
	@VIDEOJOB_CLUSTER=scale PYTHONPATH=tests/cluster $(BIN)/python tests/scale/scale.py \
	  --jobs $(or $(JOBS),10000) $(PARTS)

.PHONY: chaos
chaos: cluster ## Jobs through a storm of failures; SEED=, JOBS=, ONLY='kind …' replay one
	@$(CLUSTER)/packages.py
	@PYTHONPATH=tests:tests/cluster $(BIN)/python -m chaos.run \
	  $(if $(SEED),--seed $(SEED)) $(if $(JOBS),--jobs $(JOBS)) $(if $(ONLY),--only $(ONLY))
