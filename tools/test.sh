#!/usr/bin/env bash
# All tests: nextest over the workspace, doctests, the build of a third party, the stored inputs of each fuzz target.
# shellcheck source=tools/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

prepare test
tools/packages.sh fuzz
profile=()
[ -z "${CI:-}" ] || profile=(--profile ci)
# What those tests themselves say is hidden where it passes.
unshare -rm true 2>/dev/null ||
  printf '\n*** %s ***\n\n' 'what needs a disk of its own will test nothing: this user may not mount (unshare -rm)'
cargo nextest run --workspace --locked "${profile[@]}"
cargo test --doc --workspace --locked
tools/custom-build.sh
tools/fuzz.sh --replay
