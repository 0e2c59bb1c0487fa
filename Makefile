# Thin on purpose: what a target does lies in tools/ and crates/.
CARGO ?= cargo
TARGET = $(or $(CARGO_TARGET_DIR),target)
TOOLS = $(TARGET)/tools
.DEFAULT_GOAL := help

.PHONY: help
help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## fetch and build what the others need (nothing to do the second time)
	@tools/setup

# What the demo starts; the tests need more, and setup has cargo-deny besides.
.PHONY: running
running:
	@tools/setup k8s emulator cdk

.PHONY: testing
testing:
	@tools/setup k8s controller-manager helm health emulator cdk

.PHONY: test
test: testing ## all tests, against a real API server and an AWS emulator
	@CARGO="$(CARGO)" tools/test

# It signs for nobody: these tests do it by hand there. Not a part of `make test`, since it builds that Kubernetes first.
.PHONY: test-oldest
test-oldest: testing ## what depends on the API server, on the oldest Kubernetes that is supported (6 min to build it)
	@tools/setup k8s-oldest
	KUBEBUILDER_ASSETS=$(abspath $(TOOLS)/k8s-oldest) $(CARGO) test --locked \
		--test api_rules --test policies --test kube --test cli --test enforcement --test gitops --test scenario

.PHONY: lint
lint: ## format, clippy, and what may be among the dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	@tools/setup deny
	$(TOOLS)/deny/bin/cargo-deny --locked check --hide-inclusion-graph bans licenses sources

# Not a part of `make test`, which runs the inputs that were kept.
.PHONY: fuzz
fuzz: ## fuzz every parser of what others wrote, SECONDS_EACH=600 each, and keep a small corpus
	@tools/setup fuzz
	@SECONDS_EACH=$(or $(SECONDS_EACH),600) tools/fuzz

# Hours; ONLY=gate/seal takes those of one file. The last result stands in docs/proofs.md.
.PHONY: mutants
mutants: ## changes stack table, gate and ids in many ways, and sees whether a test notices
	@tools/setup mutants
	CARGO_PROFILE_TEST_DEBUG=0 $(TOOLS)/mutants/bin/cargo-mutants mutants --package stackgate-core --timeout 180 \
		--output $(TARGET) $(if $(ONLY),--re '$(ONLY)')

.PHONY: bench
bench: running ## figures: how fast approvals take effect and decisions are taken; builds with --release
	$(CARGO) build --release --locked --package stackgate --package stackgate-testbed --package stackgate-sim --bins
	$(TARGET)/release/steps
	$(TARGET)/release/bench

.PHONY: demo
demo: running ## the whole story, told as it goes; KEEP=1 leaves it running
	$(CARGO) build --workspace --bins --locked
	$(TARGET)/debug/demo
