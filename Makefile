# What each does is in tools/; this file only names it. `make help` lists the targets.

# The profile of `make run`: dev, since `make test` compiles the same and optimising costs a newcomer minutes.
PROFILE ?= dev
# Seconds of fuzzing per target, and some targets instead of all.
TIME ?= 60
TARGET ?=
# What `make bench` gives to cargo bench, for example BENCH="--bench framing".
BENCH ?=
# How often each load of `make race` is repeated.
ROUNDS ?= 3
# The slow, the idle and the tarpitted clients of `make crowd`.
CROWD ?= 5000 5000 5000
# The folder of `make suites`.
SUITES ?=

.PHONY: help run test ledger race queue crowd bench fuzz dist suites lint

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 17

run: ## build and start a proxy on loopback, data in ./gatepost-data (PROFILE=release for speed)
	@PROFILE=$(PROFILE) exec tools/run.sh

test: ## all tests, doctests, the custom build, the fuzz targets' stored inputs
	@tools/test.sh

ledger: ## nothing lost, nothing doubled: 10,000 mails under kill -9, 5,000 over five servers, trouble after trouble (minutes)
	@tools/ledger.sh

race: ## Gatepost beside Postfix under the same loads over sockets (ROUNDS=3)
	@tools/race.sh $(ROUNDS)

queue: ## mail that waits: Gatepost's queue beside Postfix's, on one disk (ROUNDS=3)
	@tools/queue-race.sh $(ROUNDS)

crowd: ## what thousands of slow, idle and tarpitted clients cost the others (CROWD="SLOW IDLE TARPITTED")
	@tools/crowd.sh $(CROWD)

bench: ## the criterion benches (BENCH="--bench framing")
	@tools/bench.sh $(BENCH)

fuzz: ## fuzz every target (TIME=seconds for each, TARGET=one of them, or several)
	@TARGET="$(TARGET)" tools/fuzz.sh $(TIME)

dist: ## the release as a tarball in dist/
	@tools/dist.sh

suites: ## test suites from outside the tree (SUITES=DIR)
	@tools/suites.sh $(SUITES)

lint: ## cargo fmt, clippy and cargo deny
	@tools/lint.sh
