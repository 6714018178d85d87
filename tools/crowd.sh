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

slow=${1:-5000}
idle=${2:-5000}
mails=${MAILS:-1000}
rate=${PER_SECOND:-50}
few=${FEW:-250}
ulimit -Sn "$(ulimit -Hn)"
needed=$((2 * (slow + idle)))
if [ "$(ulimit -n)" != unlimited ] && [ "$(ulimit -n)" -lt $((needed * 3 / 4)) ]; then
  die "$(ulimit -n) descriptors are too few for $((slow + idle)) clients and as many again: raise the hard limit (ulimit -Hn)"
fi

prepare test
# Together, so that both have the same features of what they depend on, and it is compiled once.
cargo build --locked --release --package gatepost --package gatepost-benches --bin gatepost --example crowd
binary=${CARGO_TARGET_DIR:-target}/release/gatepost
crowd=${CARGO_TARGET_DIR:-target}/release/examples/crowd

PATH=$PATH:/usr/sbin
folder=$(mktemp -d)
running=()
end() {
  for one in "${running[@]}"; do kill "$one" 2>/dev/null || true; done
  [ ! -d "$folder/postfix" ] || postfix -c "$folder/postfix/config" stop >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap end EXIT

smtp-sink -u nobody -m 20000 127.0.0.1:2610 4096 >"$folder/sink" 2>&1 &
running+=($!)
sed -e "s|^data_dir.*|data_dir = '$folder/data'|" -e 's|127.0.0.1:2525|127.0.0.1:2535|' -e 's|127.0.0.1:2600|127.0.0.1:2610|' \
  -e "s|^sessions = .*|sessions = $((2 * (slow + idle)))|" \
  benches/load.toml >"$folder/gatepost.toml"
cat >>"$folder/gatepost.toml" <<EOF
[admin]
bind = "127.0.0.1:9935"
[log]
level = "error"
EOF
"$binary" run --config "$folder/gatepost.toml" >"$folder/log" 2>&1 &
running+=($!)

# Postfix with a process for each of the crowd and some more, which passes everything on to the sink.
mkdir -p "$folder/postfix/"{config,queue,data}
chmod 755 "$folder" "$folder/postfix" "$folder/postfix/"*
chown postfix "$folder/postfix/data"
cat >"$folder/postfix/config/main.cf" <<EOF
compatibility_level = 3.6
queue_directory = $folder/postfix/queue
data_directory = $folder/postfix/data
maillog_file = /dev/null
maillog_file_prefixes = /dev
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = mx.d.example
mydestination =
mynetworks = 127.0.0.0/8
relay_domains = example.net
relay_transport = smtp:[127.0.0.1]:2610
smtp_dns_support_level = disabled
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
default_process_limit = $((2 * few + 100))
EOF
cat >"$folder/postfix/config/master.cf" <<EOF
127.0.0.1:2545 inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
postlog unix-dgram n - n - 1 postlogd
EOF
postfix -c "$folder/postfix/config" start >/dev/null 2>&1
for port in 2610 2535 2545; do
  for _ in $(seq 100); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then continue 2; fi
    sleep 0.1
  done
  cat "$folder/log" >&2
  die "nobody listens on port $port"
done

echo 'who,when,slow,idle,mails,failed,p50 ms,p99 ms,longest ms,came again'
"$crowd" 127.0.0.1:2535 gatepost "$slow" "$idle" "$mails" "$rate"
"$crowd" 127.0.0.1:2535 gatepost "$few" "$few" "$mails" "$rate"
"$crowd" 127.0.0.1:2545 postfix "$few" "$few" "$mails" "$rate"
