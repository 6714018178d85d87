#!/usr/bin/env bash
# Runs test suites of others, kept outside this tree.
#
#     tools/suites.sh DIR      the folder that holds the suites, one folder each
#
# bins/gatepost/tests/suites_spf.rs runs that of SPF, with GATEPOST_SUITES=DIR; its tests are ignored by `make test`.
# shellcheck source=tools/env.sh
where=${1:-}
[ -z "$where" ] || where=$(realpath -m "$where") # before env.sh leaves the caller's folder
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

[ -n "$where" ] || die "which folder? tools/suites.sh DIR, or make suites SUITES=DIR"
[ -d "$where" ] || die "no folder $where"

# A suite and what of Gatepost it is for.
for_whom() {
  case "$1" in
    spf-rfc7208) echo "the SPF evaluator" ;;
    public-suffix-list) echo "registrable domains" ;;
    mime) echo "the message parser, and delivery byte for byte" ;;
    *) echo "unknown here, not run" ;;
  esac
}
found=0
for dir in "$where"/*/; do
  [ -d "$dir" ] || continue
  suite=$(basename "$dir")
  found=$((found + 1))
  printf '%-20s %5d files   %s\n' "$suite" "$(find "$dir" -type f | wc -l)" "$(for_whom "$suite")"
done
[ "$found" -gt 0 ] || die "no suite in $where"

prepare build
GATEPOST_SUITES=$where cargo test --locked --package gatepost --test suites_spf -- --ignored --nocapture
