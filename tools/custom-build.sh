#!/usr/bin/env bash
# Builds and tests fixtures/custom-build: a filter of a third party and the binary that links it beside ours.
# It is a workspace of its own, as theirs is. It shares our target folder, so that what both need is compiled once;
# for that its profiles and its features of the libraries have to be ours.
# shellcheck source=tools/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

manifest=fixtures/custom-build/Cargo.toml
[ -f "$manifest" ] || die "$manifest is missing"
[ -f fixtures/custom-build/Cargo.lock ] || die "fixtures/custom-build/Cargo.lock is missing: commit the one that cargo writes"
prepare build
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
cargo build --locked --workspace --manifest-path "$manifest"
cargo test --locked --workspace --manifest-path "$manifest"
