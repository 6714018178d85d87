# shellcheck shell=bash
# What every tool here begins with: stop at the first error, stand in the root of the tree. Sourced, not run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}
# For what is not done and must not be overlooked.
loud() { printf '\n*** %s ***\n\n' "$*" >&2; }

# Packages for a task, then the archive of RocksDB that this machine keeps, and for tests the Exim that it keeps.
prepare() {
  tools/packages.sh "$1"
  eval "$(tools/rocksdb.sh)"
  [ "$1" != test ] || eval "$(tools/exim.sh)"
}
