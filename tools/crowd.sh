#!/usr/bin/env bash
# What thousands of slow, idle and tarpitted clients cost everybody else: Gatepost, and Postfix beside it, before the same
# sink. Tells on standard error what memory Gatepost has with the tarpitted ones beside as many idle ones.
#
#     tools/crowd.sh [SLOW IDLE TARPITTED]      default: 5000 5000 5000
#
# MAILS        mails in each of the three measurements (default 1000)
# PER_SECOND   how many a second (default 50)
# FEW          how many slow and how many idle ones for Postfix (default 250): it has a process for each session
#
# Prints lines of CSV, as benches/README.md tells. Everything is on loopback, and ends with this script.
# shellcheck source=tools/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=tools/stage.sh
source tools/stage.sh

slow=${1:-5000}
idle=${2:-5000}
tarpitted=${3:-5000}
mails=${MAILS:-1000}
rate=${PER_SECOND:-50}
few=${FEW:-250}
needed=$((2 * (slow + idle > tarpitted ? slow + idle : tarpitted)))
if [ "$(ulimit -n)" != unlimited ] && [ "$(ulimit -n)" -lt $((needed * 3 / 4)) ]; then
  die "$(ulimit -n) descriptors are too few for $((needed / 2)) clients and as many again: raise the hard limit (ulimit -Hn)"
fi

prepare test
# Together, so that both have the same features of what they depend on, and it is compiled once.
cargo build --locked --release --package gatepost --package gatepost-benches --bin gatepost --example crowd
binary=${CARGO_TARGET_DIR:-target}/release/gatepost
crowd=${CARGO_TARGET_DIR:-target}/release/examples/crowd

free 2610 2535 2536 2545 9935 9936
sink 2610
gatepost "$binary" benches/load.toml 2535 9935 2610 -e "s|^sessions = .*|sessions = $((2 * (slow + idle)))|" \
  -e '1i log.level = "error"'
# Who calls itself by a short name waits for half a minute, and comes again.
gatepost "$binary" benches/load.toml 2536 9936 2610 -e "s|^sessions = .*|sessions = $((2 * tarpitted))\ntarpitted = $((2 * tarpitted))|" \
  -e "s|^data_dir.*|data_dir = '$folder/tarpit'|" -e '1i log.level = "error"' \
  -e 's|^tiers = .*|tiers = [["conduct"]]\n[filters.conduct.options]\nhelo_unqualified_points = 10\n[filters.conduct.options.waiting]\ntarpit = "10s"\ntarpit_most = "30s"|'
# It has a process for each of the crowd and some more, and passes everything on to the sink.
rival 2545 <<EOF
relay_transport = smtp:[127.0.0.1]:2610
smtp_dns_support_level = disabled
smtpd_relay_restrictions = permit_mynetworks, reject
default_process_limit = $((2 * few + 100))
EOF
listening 2610 2535 2536 2545

resident() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
# Runs the crowd and tells what memory a process has most in the meantime.
watched() { # process, arguments of crowd
  local process=$1 before most now
  shift
  before=$(resident "$process")
  most=$before
  "$crowd" "$@" &
  while kill -0 $! 2>/dev/null; do
    now=$(resident "$process")
    most=$((now > most ? now : most))
    sleep 0.5
  done
  wait $!
  echo "$*: $before kB resident before, $most kB at most" >&2
}

echo 'who,when,slow,idle,tarpitted,mails,failed,p50 ms,p99 ms,longest ms,came again'
watched "$gatepost" 127.0.0.1:2536 gatepost 0 "$tarpitted" 0 "$mails" "$rate"
watched "$gatepost" 127.0.0.1:2536 gatepost 0 0 "$tarpitted" "$mails" "$rate"
"$crowd" 127.0.0.1:2535 gatepost "$slow" "$idle" 0 "$mails" "$rate"
"$crowd" 127.0.0.1:2535 gatepost "$few" "$few" 0 "$mails" "$rate"
"$crowd" 127.0.0.1:2545 postfix "$few" "$few" 0 "$mails" "$rate"
