# Everything a person types. Each target sets up what it needs, from nothing but Python and make.
# PYTHON=python3.11 make test     uses that interpreter instead of Lambda's 3.13

SCENARIO ?= contained
JSON ?=
FULL ?=
ACCOUNT ?=
HOST ?= 127.0.0.1
RUN ?=
RUNS ?=
MINUTES ?=
ONLY ?=
PORT ?= 4599
ENDPOINT ?=
SEED ?=
ALARMS ?= off
ANSWER ?=
PLAN ?=
PARAMETERS ?=
WITH ?=
CALLS ?=
STACK ?= regrant
DIR ?=
CONFIG ?= handover.json
APPROVED ?=
WHO ?=
BEGAN ?=
ENDED ?=
TESTS ?= tests

# Where the served account is: a port or an address on the command line counts more than the environment.
LOCAL := $(filter command,$(origin PORT) $(origin HOST))
SERVED = $(if $(LOCAL),http://$(HOST):$(PORT),$${AWS_ENDPOINT_URL:-http://$(HOST):$(PORT)})

BIN := .venv/bin
# The zip's root is the import root of the functions.
PY := PYTHONPATH=functions $(BIN)/python
SAM := SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam
LOCKS := functions/requirements.txt requirements/dev.txt requirements/sam.txt requirements/uv.txt requirements/bench.txt \
	requirements/runtime.txt requirements/ministack.txt requirements/aws.txt

# What a mail's command has is not put into a shell's line here, so that no name can break out of it.
export RUN PLAN ANSWER APPROVED WHO BEGAN ENDED

.PHONY: answer report live help setup test check demo scenarios serve enrol audit build format lock clean bench bench-denials figures chaos \
	mutants people privileges handover-privileges test-terraform rie deploy-local sam-local second-opinion lint types templates statemachine docs-check addresses

help:  ## Say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

demo: .venv/.made  ## Break an account, watch the runbook repair it (SCENARIO=rolled-back, JSON=result.json)
	@$(PY) -m sandbox.demo --scenario $(SCENARIO) $(if $(JSON),--json $(JSON))

scenarios: .venv/.made  ## List the scenarios that make demo can play
	@$(PY) -m sandbox.scenarios

serve: .venv/.made  ## Serve the local account to any AWS client until Ctrl-C (PORT=4599, SEED=empty, PARAMETERS=samconfig.toml, ALARMS=on)
	@exec env $(PY) -m sandbox.serve --host $(HOST) --port $(PORT) --alarms $(ALARMS) $(if $(SEED),--seed $(SEED)) \
		$(if $(PARAMETERS),--parameters $(PARAMETERS))

enrol: .venv/.made  ## Enrol a service of the served account (PORT=4599, WITH='Cluster=... Service=...', as enrol/service.yaml has them)
	@$(PY) -m sandbox.enrol --endpoint "$(SERVED)" $(WITH)

audit: .venv/.made  ## List the deployed runbook's temporary grants and what is not done yet (STACK=regrant, JSON=grants.json; PORT=4599 for the served account)
	@$(PY) -m scripts.audit --stack $(STACK) --endpoint '$(if $(LOCAL),http://$(HOST):$(PORT))' $(if $(JSON),--json $(JSON))

report: .venv/.made  ## Print a run's page (RUN=<execution name>, STACK=regrant; PORT=4599 for the served account)
	@$(PY) -m scripts.report --run '$(RUN)' --stack '$(STACK)' --endpoint '$(if $(LOCAL),http://$(HOST):$(PORT))'

answer: .venv/.made  ## Answer a run's question for approval (RUN=<name> PLAN=<hash> ANSWER=approve or reject, STACK=regrant; PORT=4599)
	@$(PY) -m scripts.answer --stack '$(STACK)' --endpoint '$(if $(LOCAL),http://$(HOST):$(PORT))'

handover-plan:  ## Let Terraform take over, step by step: also -propose, -prepare, -import, -apply, -drift, -undo, -heal (docs/handover.md; DIR=infra, CONFIG=handover.json, APPROVED=<sha256>)

# In the user's own checkout, with the user's own Terraform and credentials, and Python's standard library alone.
HANDOVER := $(addprefix handover-,propose prepare import plan apply drift undo heal)
.PHONY: $(HANDOVER)
$(HANDOVER): export HANDOVER_DIR = $(DIR)
$(HANDOVER): export HANDOVER_CONFIG = $(CONFIG)
$(HANDOVER):
	@PYTHONPATH=terraform $${PYTHON:-python3} -m regrant_terraform $(@:handover-%=%) --screen --config "$$HANDOVER_CONFIG" \
		$(if $(DIR),--directory "$$HANDOVER_DIR") $(if $(APPROVED),--approved "$$APPROVED") \
		$(if $(WHO),--ended "$$WHO" "$$BEGAN" "$$ENDED") $(if $(JSON),--out $(JSON))

test: .venv/.made  ## Run all tests (TESTS=tests/unit for some)
	@# One test asks an npm package for its opinion. Without npm, or off line, it says that it is skipped.
	@! command -v npm >/dev/null || $(MAKE) --no-print-directory node_modules/.made \
		|| echo "node_modules could not be made; what needs it is skipped" >&2
	@# Two play the pages' commands with the AWS CLI. Off line, they take the one at hand, or say the same.
	@$(MAKE) --no-print-directory .venv-aws/.made || echo ".venv-aws could not be made" >&2
	$(BIN)/pytest -n 2 $(TESTS)

chaos: .venv/.made  ## Try every fault at every point of a run (FULL=1 for the larger search, SEED=7, JSON=figures.json)
	@$(PY) -m sandbox.chaos $(if $(SEED),--seed $(SEED)) $(if $(FULL),--full) $(if $(JSON),--json $(JSON))

mutants: .venv/.made  ## Take out one safeguard after the other, and see that make chaos ends red (takes minutes)
	$(BIN)/pytest -n 2 mutants

people: .venv/.made  ## Let others act between the steps, and see whether reports stay true (MINUTES=60, RUNS=100, SEED=7, ONLY=<story>)
	@$(PY) -m sandbox.people $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS)) \
		$(if $(MINUTES),--minutes $(MINUTES)) $(if $(ONLY),--only '$(ONLY)') $(if $(JSON),--json $(JSON))

privileges: .venv/.made node_modules/.made  ## Prove that each role may do what it does, and nothing else (CALLS=build/calls.jsonl, JSON=figures.json)
	@$(PY) -m scripts.privileges $(if $(CALLS),--calls $(CALLS)) $(if $(JSON),--json $(JSON))

test-terraform: .venv/.made  ## Run all tests that need the real Terraform: imports, whole handovers, locks, kills (takes minutes)
	@$(MAKE) --no-print-directory .venv-aws/.made || echo ".venv-aws could not be made" >&2
	$(BIN)/pytest -n 2 real_terraform

handover-privileges: .venv/.made  ## Run the real Terraform with one permission less, each in turn: all are needed (takes minutes; JSON=figures.json)
	@$(PY) -m scripts.handover $(if $(JSON),--json $(JSON))

bench: .venv/.made  ## Measure start, size, memory, states, calls, price and recovery (RUNS=50, ROUNDS=3 for fewer; JSON=figures.json)
	@$(MAKE) --no-print-directory .venv-sam/.made || true
	@$(PY) -m scripts.bench $(if $(RUNS),--runs $(RUNS)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(JSON),--json $(JSON))

figures: .venv/.made .venv-sam/.made  ## Measure all that and write docs/figures.md
	@$(PY) -m scripts.bench --write $(if $(JSON),--json $(JSON)) > /dev/null

# Without the peer (no package for this system, no registry) the comparison runs all the same, and says so.
bench-denials: .venv/.made  ## Measure how denials are read, by the runbook and by other tools (JSON=figures.json)
	@$(MAKE) --no-print-directory .venv-bench/.made || true
	@$(PY) -m scripts.bench.denials $(if $(JSON),--json $(JSON))

check: lint types templates statemachine docs-check addresses  ## Lint, type and validate everything

lint: .venv/.made
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.made
	$(BIN)/mypy

templates: .venv/.made .venv-sam/.made
	$(BIN)/cfn-lint
	$(SAM) validate --lint --template template.yaml

# cfn-lint and sam pass a broken definition; this one finds it.
statemachine: node_modules/.made
	node_modules/.bin/asl-validator --yaml-path statemachine/runbook.asl.yaml
	node_modules/.bin/asl-validator --yaml-path statemachine/handover.asl.yaml

# The graph in docs/runbook.md is made from the state machine; this says when the two differ.
docs-check: .venv/.made
	$(PY) scripts/generate/graph.py --check

# A lock that records where packages came from works only where it was made.
addresses:
	@! grep -nE '://|index-url|find-links' $(LOCKS)
	@! grep -n '"resolved"' package-lock.json

live: .venv/.made .venv-sam/.made  ## Play the story in an AWS account of your own, then delete all of it (ACCOUNT=<id>, costs cents)
	@$(if $(ACCOUNT),$(MAKE) --no-print-directory build,:)
	@$(PY) -m scripts.live --account "$(ACCOUNT)"

build: .venv/.made .venv-sam/.made  ## Build the functions' packages for a deployment (sam build)
	@$(PY) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13) and "make build needs Python 3.13, the version the functions run on")'
	PATH="$$($(PY) -c 'import sys; print(sys.base_prefix)')/bin:$$PATH" $(SAM) build

rie: build .venv-runtime/.made  ## Run every function in Lambda's runtime client and emulator (JSON=figures.json)
	@$(PY) -m runtimes.rie $(if $(JSON),--json $(JSON))

sam-local: build .venv-runtime/.made  ## Run every function in a container by sam local invoke (needs Docker, or root on Debian)
	@$(PY) -m runtimes.samlocal

deploy-local: build .venv-ministack/.made  ## Deploy, run, update and delete the stack on another emulator of AWS
	@$(PY) -m runtimes.deploy

second-opinion: .venv/.made  ## Ask an emulator of yours what the local account is asked, and compare (ENDPOINT=http://127.0.0.1:4566)
	@$(PY) -m runtimes.opinion --endpoint '$(ENDPOINT)'

format: .venv/.made  ## Format the code and sort its imports
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

setup: .venv/.made .venv-sam/.made .venv-aws/.made node_modules/.made  ## Install what the other targets need

lock: .venv/.made  ## Compile the requirements again (package-lock.json: npm install --package-lock-only)
	for each in $(LOCKS:.txt=); do \
		.venv-uv/bin/uv pip compile --quiet --upgrade --generate-hashes --universal --python-version 3.11 \
			--no-header --no-emit-index-url --no-emit-find-links $$each.in -o $$each.txt || exit; \
	done

clean:  ## Remove everything that was made
	rm -rf .venv .venv-sam .venv-aws .venv-bench .venv-runtime .venv-ministack .venv-uv .venv.lock .aws-sam node_modules build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.made: requirements/dev.txt scripts/venv.sh
	@scripts/venv.sh .venv requirements/dev.txt

# An environment of its own, because SAM pins another boto3 than the local account does.
.venv-sam/.made: requirements/sam.txt scripts/venv.sh
	@scripts/venv.sh .venv-sam requirements/sam.txt

# An environment of its own, because the AWS CLI pins another botocore.
.venv-aws/.made: requirements/aws.txt scripts/venv.sh
	@scripts/venv.sh .venv-aws requirements/aws.txt

.venv-bench/.made: requirements/bench.txt scripts/venv.sh
	@scripts/venv.sh .venv-bench requirements/bench.txt

# What Lambda's own runtime has: the client that calls a handler, and boto3.
.venv-runtime/.made: requirements/runtime.txt scripts/venv.sh
	@scripts/venv.sh .venv-runtime requirements/runtime.txt

.venv-ministack/.made: requirements/ministack.txt scripts/venv.sh
	@scripts/venv.sh .venv-ministack requirements/ministack.txt

node_modules/.made: package.json package-lock.json
	@command -v npm >/dev/null || { echo "make check and make privileges need Node.js 18 or later with npm; install it" >&2; exit 1; }
	npm ci --silent
	@touch $@
