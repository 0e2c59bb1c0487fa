# Thin on purpose: what a target does lies in tools/ and crates/.
CARGO ?= cargo
.DEFAULT_GOAL := help

.PHONY: help
help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## fetch and build what tests and the demo start (nothing to do the second time)
	@tools/setup

.PHONY: test
test: setup ## all tests, against a real API server and an AWS emulator
	$(CARGO) test --workspace --locked

.PHONY: lint
lint: ## format and clippy
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

.PHONY: demo
demo: setup ## the whole story, told as it goes; KEEP=1 leaves it running
	$(CARGO) build --workspace --bins --locked
	$(CARGO) run --quiet --locked --package stackgate-testbed --bin demo
