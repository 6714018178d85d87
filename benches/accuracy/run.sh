#!/usr/bin/env bash
# The runs whose results stand in benches/accuracy/results, one after another:
#
#     benches/accuracy/run.sh CORPUS [RESULTS]
#
# CORPUS is an index or a folder as `gatepost evaluate` takes it. GATEPOST names another binary than that of the release
# build, which is made where it is missing. Each run leaves the table for people and the same as JSON; the scores of single
# mails are not kept.
set -euo pipefail

[ $# -ge 1 ] || { printf 'usage: %s CORPUS [RESULTS]\n' "$0" >&2; exit 2; }
corpus=$(realpath "$1")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
results=${2:-$root/benches/accuracy/results}
mkdir -p "$results"
results=$(realpath "$results")
gatepost=${GATEPOST:-${CARGO_TARGET_DIR:-$root/target}/release/gatepost}
if [ ! -x "$gatepost" ]; then
  (cd "$root" && cargo build --release --locked --package gatepost)
fi

# A run: its name, and what is given to `evaluate` besides the corpus.
evaluate() {
  local name=$1
  shift
  printf '%s\n' "$name: gatepost evaluate CORPUS $*" >&2
  local json
  json=$("$gatepost" evaluate "$corpus" "$@" --json)
  printf '%s\n' "$json" > "$results/$name.json"
  {
    printf '$ gatepost evaluate CORPUS %s\n\n' "$*"
    "$gatepost" evaluate "$corpus" "$@"
  } > "$results/$name.txt"
}

evaluate main --feedback immediate
evaluate without-lists --feedback immediate --without lists
evaluate without-dates --feedback immediate --without dates
evaluate body-only --feedback immediate --body-only
evaluate delayed --feedback delayed
evaluate partial --feedback partial
evaluate noise-5 --feedback immediate --noise 5%
evaluate noise-10 --feedback immediate --noise 10%

# All of them side by side: the fused column.
model=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
folder=$corpus
[ -d "$folder" ] || folder=$(dirname "$folder")
{
  printf '`benches/accuracy/run.sh %s`, %s, %s, %s cores of %s. Corpus: %s. The fused column of each run:\n\n' \
    "$(basename "$folder")" "$(date -u +%Y-%m-%d)" "$("$gatepost" version)" "$(nproc)" "${model:-an unknown kind}" \
    "$(jq -r '"\(.ham + .spam) messages, \(.ham) ham and \(.spam) spam"' "$results/main.json")"
  printf '| run | 1-ROCA %% | 95 %% interval | missed at 0.1 %% | at 0.5 %% | at 1 %% | ham called spam | spam called ham |\n'
  printf '|---|---|---|---|---|---|---|---|\n'
  for name in main without-lists without-dates body-only delayed partial noise-5 noise-10; do
    jq -r --arg run "$name" '
      def round(digits): (. * pow(10; digits) | round) / pow(10; digits) | tostring;
      .columns[-1] as $c | "| \($run) | \($c.area | round(4)) | \($c.interval[0] | round(4)) to \($c.interval[1] | round(4)) | " +
      ([$c.missed[] | round(2)] | join(" | ")) +
      " | \($c.errors.ham_called_spam) (\($c.errors.ham_rate | round(2)) %) | \($c.errors.spam_called_ham) (\($c.errors.spam_rate | round(2)) %) |"
    ' "$results/$name.json"
  done
} > "$results/README.md"
cat "$results/README.md"
