#!/usr/bin/env bash
# Fuzzing with cargo-fuzz (libFuzzer), on the stable toolchain of the workspace.
#
#     tools/fuzz.sh [seconds per target]      default: 60
#     tools/fuzz.sh --replay                  only the stored inputs of each target, once
#
# TARGET   some targets instead of all, as in TARGET="session relay"
#
# Targets are fuzz/fuzz_targets/*.rs. Each begins with what is stored in fuzz/seeds/<target>/ (what a reader might trip
# over, and whatever once failed) and with what tools/seeds.sh makes of the fixtures in fuzz/made/<target>/; words that help
# are in fuzz/dictionaries/<target>.dict. What a run finds beside them stays in fuzz/corpus/, what fails in
# fuzz/artifacts/; git ignores both. A target that fails does not keep the others from their turn.
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
# The octets of an input, where they are not 4096: as many as a reader's bounds want, and few where all is short.
declare -A longest=([addresses]=400 [body]=8192 [collections]=16384 [commands]=2048 [containers]=65536
  [documents]=16384 [headers]=16384 [links]=2048 [logins]=1024 [outlook]=16384 [proxy_header]=2200 [recipients]=1024
  [senders]=1024 [session]=8192 [spf]=2048 [subjects]=1024 [transactions]=8192)

mapfile -t targets < <(cargo fuzz list)
[ ${#targets[@]} -gt 0 ] || die "fuzz/ has no target"
one=
if [ -n "${TARGET:-}" ]; then
  read -ra wanted <<<"$TARGET"
  for target in "${wanted[@]}"; do
    [[ " ${targets[*]} " == *" $target "* ]] || die "no target $target; there are: ${targets[*]}"
  done
  targets=("${wanted[@]}")
  [ ${#targets[@]} -gt 1 ] || one=${targets[0]}
fi

cargo fuzz build "${how[@]}" ${one:+"$one"}
tools/seeds.sh

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=()
fuzz() { # target, its arguments; silent as long as nothing fails
  if cargo fuzz run "${how[@]}" "$@" "${limits[@]}" >"$log" 2>&1; then return 0; fi
  failed+=("$1")
  cat "$log" >&2
  local input
  input=$(sed -n 's/.*Test unit written to \(.*\)/\1/p; s/^Running: \(fuzz.*\)/\1/p' "$log" | tail -n 1)
  input=${input#"$PWD"/}
  printf '\n%s FAILED%s\n' "$1" "${input:+ on $input}" >&2
  [ -z "$input" ] || cat >&2 <<TEXT
    again:    cargo fuzz run ${how[*]} $1 $input
    smaller:  cargo fuzz tmin ${how[*]} $1 $input
    mended:   move it to fuzz/seeds/$1/, under a name that says what it is
TEXT
  return 1
}
number() { sed -n "s/.*$1: *\([0-9]*\).*/\1/p" "$log" | tail -n 1; }
[ -n "$replay" ] || printf '%-16s %12s %9s %7s %8s %9s\n' target executions 'in 1 s' edges features 'new finds'
for target in "${targets[@]}"; do
  folders=()
  for folder in "fuzz/seeds/$target" "fuzz/made/$target"; do
    [ ! -d "$folder" ] || folders+=("$folder")
  done
  [ ${#folders[@]} -gt 0 ] || die "neither fuzz/seeds/$target nor fuzz/made/$target is there"
  stored=$(find "${folders[@]}" -type f | wc -l)
  [ "$stored" -gt 0 ] || die "no stored input in ${folders[*]}"
  most=(-max_len="${longest[$target]:-4096}")
  if [ -n "$replay" ]; then
    # Whole, whatever their length.
    fuzz "$target" "${folders[@]}" -- -runs=0 -max_len=1048576 || continue
    printf '%-16s %6d stored inputs\n' "$target" "$stored"
    continue
  fi
  for words in "fuzz/dictionaries/$target.dict" "fuzz/made/$target.dict"; do
    [ ! -f "$words" ] || most+=(-dict="$words")
  done
  # New finds go to the first folder.
  mkdir -p "fuzz/corpus/$target"
  before=$(find "fuzz/corpus/$target" -type f | wc -l)
  fuzz "$target" "fuzz/corpus/$target" "${folders[@]}" -- -max_total_time="$seconds" -print_final_stats=1 "${most[@]}" ||
    continue
  after=$(find "fuzz/corpus/$target" -type f | wc -l)
  printf '%-16s %12d %9d %7d %8d %9d\n' "$target" "$(number stat::number_of_executed_units)" \
    "$(number stat::average_exec_per_sec)" "$(number ' cov')" "$(number ' ft')" $((after - before))
done
[ ${#failed[@]} -eq 0 ] || die "failed: ${failed[*]}"
