#!/usr/bin/env bash
# What thousands of slow and idle clients cost everybody else: Gatepost, and Postfix beside it, before the same sink.
#
#     tools/crowd.sh [SLOW IDLE]      default: 5000 5000
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
mails=${MAILS:-1000}
rate=${PER_SECOND:-50}
few=${FEW:-250}
needed=$((2 * (slow + idle)))
if [ "$(ulimit -n)" != unlimited ] && [ "$(ulimit -n)" -lt $((needed * 3 / 4)) ]; then
  die "$(ulimit -n) descriptors are too few for $((slow + idle)) clients and as many again: raise the hard limit (ulimit -Hn)"
fi

prepare test
# Together, so that both have the same features of what they depend on, and it is compiled once.
cargo build --locked --release --package gatepost --package gatepost-benches --bin gatepost --example crowd
binary=${CARGO_TARGET_DIR:-target}/release/gatepost
crowd=${CARGO_TARGET_DIR:-target}/release/examples/crowd

free 2610 2535 2545 9935
sink 2610
gatepost "$binary" benches/load.toml 2535 9935 2610 -e "s|^sessions = .*|sessions = $((2 * (slow + idle)))|" \
  -e '1i log.level = "error"'
# It has a process for each of the crowd and some more, and passes everything on to the sink.
rival 2545 <<EOF
relay_transport = smtp:[127.0.0.1]:2610
smtp_dns_support_level = disabled
smtpd_relay_restrictions = permit_mynetworks, reject
default_process_limit = $((2 * few + 100))
EOF
listening 2610 2535 2545

echo 'who,when,slow,idle,mails,failed,p50 ms,p99 ms,longest ms,came again'
"$crowd" 127.0.0.1:2535 gatepost "$slow" "$idle" "$mails" "$rate"
"$crowd" 127.0.0.1:2535 gatepost "$few" "$few" "$mails" "$rate"
"$crowd" 127.0.0.1:2545 postfix "$few" "$few" "$mails" "$rate"
