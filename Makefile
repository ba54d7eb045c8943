# flatnet: `make help` lists what there is to make.

BINDIR  ?= /opt/cni/bin
DESTDIR ?=
BIN     ?= bin
NODE    ?= node
CARGO   ?= cargo
ENGINE  := lib/engine/target/release
TOOLS   := build/js/scripts

# What a bundle is made of; tests and tools are not.
SOURCES := $(shell find lib plugins ipam \( -path lib/engine -o -path lib/testing \) -prune -o \
             \( -name '*.ts' -o -name '*.schema.json' \) ! -name '*.test.ts' ! -name '*.generated.*' -print 2>/dev/null)
RUST    := $(wildcard lib/engine/src/*.rs lib/engine/src/bin/*/*.rs) lib/engine/build.rs $(addprefix lib/engine/,Cargo.toml Cargo.lock .cargo/config.toml rustfmt.toml)
TESTS   := $(shell find lib plugins ipam scripts conformance -name '*.ts' 2>/dev/null)

.PHONY: all build test unit netns test-vm conformance conformance-mutants conformance-package conformance-runtimes conformance-scorecard demo bench bench-paired lint fmt check install clean help prerequisites
.DELETE_ON_ERROR:

all: build

build: build/flatnet ## Build bin/: one static executable, a hard link for each plugin

node_modules/.package-lock.json: package.json package-lock.json
	@scripts/prerequisites.sh build
	npm ci --no-audit --no-fund --prefer-offline
	@touch $@

# A stamp, because the tests are compiled into the same folder later and write the tools again.
build/js/.tools: node_modules/.package-lock.json $(filter-out %.test.ts,$(wildcard scripts/*.ts)) scripts/tsconfig.json
	npx --no-install tsc -p scripts
	@touch $@

build/schemas/.done: build/js/.tools $(shell find lib plugins ipam -name "*.schema.json" 2>/dev/null)
	@mkdir -p build/schemas
	$(NODE) $(TOOLS)/compile-schemas.js
	@touch $@

$(ENGINE)/flatnet-engine: $(RUST)
	@scripts/prerequisites.sh build
	cd lib/engine && $(CARGO) build --release --locked --quiet
	@touch $@

# In the profile that is shipped: QuickJS is compiled once for all of these.
build/.engine-linted: $(RUST)
	@scripts/prerequisites.sh lint
	cd lib/engine && $(CARGO) fmt --check
	cd lib/engine && $(CARGO) clippy --release --locked --quiet --lib --bins --tests -- -D warnings
	@mkdir -p $(@D) && touch $@

build/.engine-tested: $(RUST)
	cd lib/engine && $(CARGO) test --release --lib --locked --quiet
	@mkdir -p $(@D) && touch $@

build/flatnet: package.json scripts/train.sh build/js/.tools build/schemas/.done $(ENGINE)/flatnet-engine $(SOURCES)
	$(NODE) $(TOOLS)/bundle.js

build/js/.tests: build/schemas/.done $(SOURCES) $(TESTS) scripts/tsconfig.test.json
	npx --no-install tsc -p scripts/tsconfig.test.json
	@mkdir -p build/js && cp -f --parents $$(find plugins ipam -name config.generated.js 2>/dev/null) build/js/
	@touch $@

# The demo and the benchmark, without the tests.
build/js/.demo: node_modules/.package-lock.json $(wildcard scripts/demo/*.ts scripts/bench/*.ts scripts/terminal/*.ts lib/testing/*.ts) \
                scripts/private-namespaces.ts scripts/tsconfig.demo.json
	npx --no-install tsc -p scripts/tsconfig.demo.json
	@touch $@

prerequisites:
	@scripts/prerequisites.sh test

test: build build/.engine-tested build/js/.tests prerequisites ## Unit tests, then namespace tests on the built executables
	@$(NODE) $(TOOLS)/test.js

unit: build/.engine-tested build/js/.tests ## Only the unit tests (any user)
	@$(NODE) $(TOOLS)/test.js unit

netns: build build/js/.tests prerequisites ## Only the namespace tests (ARGS=substring picks files, FLATNET_LONG=1 leaves nothing out)
	@$(NODE) $(TOOLS)/test.js netns $(ARGS)

lint: node_modules/.package-lock.json build/schemas/.done build/.engine-linted ## Types, format, style, and the import rule of the house
	npx --no-install tsc --noEmit -p .
	npx --no-install tsc --noEmit -p scripts/tsconfig.test.json
	npx --no-install biome check --error-on-warnings
	$(NODE) $(TOOLS)/check-imports.js

fmt: node_modules/.package-lock.json ## Format what can be formatted
	npx --no-install biome check --write
	cd lib/engine && $(CARGO) fmt

check: lint test ## The gate: what CI runs

test-vm: build build/js/.tests prerequisites ## Debian's own kernel under qemu: VLANs, SCTP, no IPv6, power cuts (ARGS=stock picks)
	@scripts/prerequisites.sh vm
	@scripts/vm/prepare.sh
	@scripts/vm/test.sh $(ARGS)

conformance: $(if $(filter bin,$(BIN)),build) build/js/.tests ## The specification, requirement by requirement (BIN=/opt/cni/bin, ARGS=--strict)
	@$(NODE) build/js/conformance/main.js --bin "$(BIN)" $(ARGS)

conformance-mutants: build build/js/.tests ## Plugins that break one requirement each: is each caught? (ARGS=ENV picks)
	@$(NODE) build/js/conformance/mutants/main.js bin $(ARGS)

conformance-scorecard: build build/js/.tests ## docs/conformance.md: ours and the reference plugins side by side (a quarter of an hour)
	@conformance/scorecard.sh

conformance-package: $(if $(filter bin,$(BIN)),build) node_modules/.package-lock.json ## The suite packed, and run by npx in an empty folder (BIN=, ARGS=)
	@conformance/as-package.sh "$(BIN)" $(or $(ARGS),--only VER)

conformance-differential: build build/js/.tests ## Generated configurations through ours and the reference plugins (ARGS='--seed 7 --count 300')
	@$(NODE) build/js/conformance/differential/main.js $(ARGS)

conformance-runtimes: build ## cnitool, libcni, Multus and containerd, with ours and the reference plugins (ARGS=cnitool picks)
	@conformance/runtimes/prepare.sh
	npx --no-install tsc -p conformance/runtimes
	@$(NODE) build/runtimes/js/main.js $(ARGS)

demo: build build/js/.demo ## Pods in private namespaces: attached, pinged, drawn, removed
	@scripts/prerequisites.sh demo
	@$(NODE) $(TOOLS)/demo/main.js $(ARGS)

build/bench/%: scripts/bench/%.c
	@scripts/prerequisites.sh build
	@mkdir -p $(@D)
	$(CC) -O2 -static -s -Wall -Wextra -o $@ $<

bench: build build/js/.demo $(addprefix build/bench/,time floor noop crowd connect) ## Beside the reference plugins and a C floor (ARGS=--only=chain,parallel picks)
	@scripts/prerequisites.sh bench
	@$(NODE) $(TOOLS)/bench/main.js $(ARGS)
	@$(if $(findstring --only,$(ARGS)),true,$(NODE) $(TOOLS)/bench/nodes.js $(filter --markdown,$(ARGS)))

bench-paired: build build/js/.demo $(addprefix build/bench/,time noop) ## This build beside an earlier one (BEFORE=its bin/)
	@$(NODE) $(TOOLS)/bench/paired.js --before "$(BEFORE)" $(ARGS)

install: build ## Install into $(DESTDIR)$(BINDIR), safely while a runtime executes the old ones
	@scripts/install.sh build/flatnet "$(DESTDIR)$(BINDIR)" $$(cd bin && ls | grep -v '^flatnet$$')

clean: ## Remove what was built
	rm -rf build bin lib/engine/target $$(find plugins ipam -name '*.generated.*')

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 30
