#!/usr/bin/env bash
# The criterion benches.
#
#     tools/bench.sh [argument of cargo bench ...]      for example: --bench framing -- data
# shellcheck source=tools/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

prepare build
cargo bench --locked --package gatepost-benches "$@"
