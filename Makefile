# The front door. Every chore itself is in xtask/ (`cargo xtask help`); every program of Enigma teaches with `--help`.

CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR
ENIGMA := $(CARGO_TARGET_DIR)/debug/enigma

.DEFAULT_GOAL := help
.PHONY: help setup build demo devnet test bench fmt clean

help: ## show this list
	@echo "Enigma: private computation for Ethereum. Start with 'make demo'."
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## install what is missing: the WebAssembly target of Rust, the npm packages with anvil and solc
	@cargo xtask setup

build: setup ## build the programs and the example secret contracts
	@cargo xtask wasm
	@cargo build --bins

demo: build ## play the millionaires' problem on a development network and show who saw what
	@"$(ENIGMA)" demo

devnet: build ## start a development network and keep it running until Ctrl-C; PORT=8090 moves its page
	@"$(ENIGMA)" devnet $(if $(PORT),--port $(PORT))

test: ## check everything: formatting, rules, lints, contracts, vectors, tests with real processes, documentation
	@cargo xtask test

bench: setup ## measure an optimised build against its goals (docs/benchmarks.md); writes target/bench/results.json
	@cargo xtask bench

fmt: ## format all Rust code
	@cargo fmt --all
	@cargo fmt --all --manifest-path secret-contracts/Cargo.toml
	@cargo fmt --manifest-path fuzz/Cargo.toml
	@cargo fmt --manifest-path benches/Cargo.toml

clean: ## remove everything that was built, and the npm packages
	cargo clean
	rm -rf solidity/node_modules solidity/out solidity/cache
