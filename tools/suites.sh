#!/usr/bin/env bash
# Runs test suites of others, kept outside this tree.
#
#     tools/suites.sh DIR      the folder that holds the suites, one folder each
#
# bins/gatepost/tests/suites/ runs them, with GATEPOST_SUITES=DIR; its tests are ignored by `make test`. Each suite has a
# module of its name there, with _ for -; one without is not run.
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
    *) echo "unknown here" ;;
  esac
}
found=0
wanted=()
for dir in "$where"/*/; do
  [ -d "$dir" ] || continue
  suite=$(basename "$dir")
  found=$((found + 1))
  module=${suite//-/_}
  if [ -f "bins/gatepost/tests/suites/$module.rs" ]; then
    wanted+=("$module::")
    how=
  else
    how=", NOT RUN"
  fi
  printf '%-20s %5d files   %s%s\n' "$suite" "$(find "$dir" -type f | wc -l)" "$(for_whom "$suite")" "$how"
done
[ "$found" -gt 0 ] || die "no suite in $where"
if [ ${#wanted[@]} -eq 0 ]; then
  loud "no suite was run: bins/gatepost/tests/suites/ has a module for none of them"
  exit 0
fi
prepare build
GATEPOST_SUITES=$where cargo test --locked --package gatepost --test suites -- --ignored --nocapture "${wanted[@]}"
