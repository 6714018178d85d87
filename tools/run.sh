#!/usr/bin/env bash
# Builds Gatepost and starts it on loopback with its built-in configuration; its data goes to ./gatepost-data.
#
#     tools/run.sh [argument of gatepost ...]      default: run
#
# PROFILE   cargo's profile (default: dev, the one that `make test` compiles too)
# shellcheck source=tools/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

profile=${PROFILE:-dev}
prepare run
cargo build --locked --package gatepost --profile "$profile"
# Not `cargo run`: the process that gets the signals is then Gatepost itself.
[ "$profile" != dev ] || profile=debug
[ $# -gt 0 ] || set -- run
exec "${CARGO_TARGET_DIR:-target}/$profile/gatepost" "$@"
