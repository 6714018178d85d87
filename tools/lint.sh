#!/usr/bin/env bash
# Formatting, clippy, and what cargo-deny holds about the dependencies.
#
#     tools/lint.sh [fmt|clippy|deny ...]      default: all three
#
# The check of security advisories needs a database that the others do not, and runs where it is at hand:
# where `cargo deny fetch` leaves it.
# shellcheck source=tools/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# Workspaces of their own, which --all and --workspace do not reach.
outside=()
for manifest in fixtures/custom-build/Cargo.toml fuzz/Cargo.toml; do
  [ ! -f "$manifest" ] || outside+=("$manifest")
done

fmt() {
  cargo fmt --all --check
  local manifest
  for manifest in "${outside[@]}"; do
    cargo fmt --manifest-path "$manifest" --all --check
  done
}

clippy() {
  # clippy runs the build scripts too: without the archive, that of RocksDB would compile all of it.
  eval "$(tools/rocksdb.sh)"
  cargo clippy --workspace --all-targets --locked -- -D warnings
}

deny() {
  # Offline, cargo-deny reads the manifests of all dependencies, of those for other systems too.
  cargo fetch --locked
  cargo deny --offline --locked --workspace check --hide-inclusion-graph --allow unused-wrapper bans licenses sources
  local found=${CARGO_HOME:-$HOME/.cargo}/advisory-dbs
  if [ -n "$(find "$found" -name 'RUSTSEC-*.md' -print -quit 2>/dev/null)" ]; then
    cargo deny --offline --locked --workspace check advisories
  else
    loud "advisories NOT checked: no database in $found (cargo deny fetch brings it)"
  fi
}

tools/packages.sh lint
[ $# -gt 0 ] || set -- fmt clippy deny
for part in "$@"; do
  case "$part" in
    fmt | clippy | deny) "$part" ;;
    *) die "unknown part '$part': fmt, clippy or deny" ;;
  esac
done
