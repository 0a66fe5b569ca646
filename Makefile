# Callscribe: `make run` and `make test` are all you need; both install what is missing.
.DEFAULT_GOAL := help
.PHONY: help run model test lint api-check fmt bench chaos samples clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

run: ## build and start everything on this machine, with sample calls unless Twilio is configured (ARGS=--once)
	@deploy/setup/packages.sh run
	@deploy/setup/model.sh beside $$$$ & \
	echo "cargo build --release --locked"; cargo build --release --locked && \
	exec ./target/release/callscribe up $(ARGS)

model: ## fetch a Whisper model (MODEL=base|small|large-v3-turbo|hebrew|…); make run does it by itself
	@deploy/setup/model.sh

test: ## every test: unit, integration, end to end
	@deploy/setup/packages.sh test
	cargo test --workspace --locked

lint: ## formatting and clippy, warnings refused
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy -p callscribe --no-default-features --locked -- -D warnings

api-check: ## the API against its own description, with schemathesis (EXAMPLES=)
	@deploy/setup/packages.sh check
	@services/results/api-check/run.sh

bench: ## all benches, or those whose name begins with ONLY=…; writes target/bench.json
	@deploy/setup/packages.sh test
	cargo run --release --locked -p callscribe-tests --bin callscribe-bench -- $(ONLY)

chaos: ## the fault run (CALLS= SECONDS= SEED=): servers and workers killed, nothing lost; writes target/chaos.json
	@deploy/setup/packages.sh test
	CALLS=$(CALLS) SECONDS=$(SECONDS) SEED=$(SEED) cargo run --locked -p callscribe-queue --example queue_chaos -- target/chaos.json

fmt: ## format the code
	cargo fmt --all

samples: ## make the sample calls' recordings anew (needs flite and sox)
	services/callscribe/samples/make-samples.py

clean: ## remove what was built (your data stays)
	cargo clean
