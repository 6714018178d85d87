#!/usr/bin/env bash
# The long forms of bins/gatepost/tests/ledger: 10,000 mails under kills, 5,000 over five mail servers with faults of every
# kind, and trouble after trouble. Some minutes, and what they found is printed.
# shellcheck source=tools/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

prepare test
unshare -rm true 2>/dev/null || loud "the troubles will test nothing: this user may not mount (unshare -rm)"
cargo nextest run --locked --package gatepost --test ledger --run-ignored only --no-capture
