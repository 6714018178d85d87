#!/usr/bin/env bash
# Fuzzing with cargo-fuzz (libFuzzer), on the stable toolchain of the workspace.
#
#     tools/fuzz.sh [seconds per target]      default: 60
#     tools/fuzz.sh --replay                  only the stored inputs of each target, once
#
# TARGET   one target instead of all
#
# Targets are fuzz/fuzz_targets/*.rs; their stored inputs (seeds, and whatever once failed) lie in
# fuzz/seeds/<target>/. What a run finds beside them stays in fuzz/corpus/, what fails in fuzz/artifacts/; git ignores both.
# shellcheck source=tools/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

replay=
if [ "${1:-}" = --replay ]; then
  replay=1
  shift
fi
seconds=${1:-60}
[[ $seconds =~ ^[0-9]+$ && $seconds -gt 0 ]] || die "not a number of seconds: $seconds"

[ -f fuzz/Cargo.toml ] || die "fuzz/Cargo.toml is missing"
[ -f fuzz/Cargo.lock ] || die "fuzz/Cargo.lock is missing: commit the one that cargo writes"
tools/packages.sh fuzz

# No sanitizer: the crates forbid unsafe code and what is hunted is panics and broken laws. Without one, targets build
# and run faster, and cargo-fuzz asks for nothing that only a nightly compiler has.
how=(--sanitizer none)
# An input that takes ten seconds or a gigabyte is a finding (the defaults are 20 minutes and 2 GB).
limits=(-timeout=10 -rss_limit_mb=1024)

mapfile -t targets < <(cargo fuzz list)
[ ${#targets[@]} -gt 0 ] || die "fuzz/ has no target"
if [ -n "${TARGET:-}" ]; then
  [[ " ${targets[*]} " == *" $TARGET "* ]] || die "no target $TARGET; there are: ${targets[*]}"
  targets=("$TARGET")
fi

cargo fuzz build "${how[@]}" ${TARGET:+"$TARGET"}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
fuzz() { # target, its arguments; silent as long as nothing fails
  if ! cargo fuzz run "${how[@]}" "$@" "${limits[@]}" >"$log" 2>&1; then
    cat "$log" >&2
    die "target $1 failed; when it is mended, move the input to fuzz/seeds/$1/"
  fi
}
for target in "${targets[@]}"; do
  seeds=fuzz/seeds/$target
  stored=$(find "$seeds" -type f 2>/dev/null | wc -l)
  [ "$stored" -gt 0 ] || die "no stored input in $seeds"
  if [ -n "$replay" ]; then
    fuzz "$target" "$seeds" -- -runs=0
    printf '%-24s %6d stored inputs\n' "$target" "$stored"
  else
    # New finds go to the first folder.
    mkdir -p "fuzz/corpus/$target"
    fuzz "$target" "fuzz/corpus/$target" "$seeds" -- -max_total_time="$seconds" -print_final_stats=1
    printf '%-24s %12d executions in %d s\n' "$target" \
      "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$seconds"
  fi
done
