#!/usr/bin/env bash
# Gatepost's queue and Postfix's in turns, on the same disk: mail is accepted while its mail server is away, and delivered
# when that is back.
#
#     tools/queue-race.sh [ROUNDS]      default: 3
#
# GATEPOST   the binary, if it shall not be built
# SCALE      how many mails, in per cent (default 100)
# BACKLOG    how many mails wait while Gatepost starts (default 100000; 0: no such measurement)
# TMPDIR     a folder on the disk that is measured (default /var/tmp); not in memory
#
# There are two of Postfix. `postfix` finds its mail server away, as Gatepost does, and puts its mail off for an hour.
# `postfix-hold` puts its mail on hold, which is the least it can do: nobody tries it, and no file moves.
# All sync before 250.
# Prints lines of CSV: the median of the rounds for what is accepted. Everything is on loopback, and ends with this.
export TMPDIR=${TMPDIR:-/var/tmp}
# shellcheck source=tools/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=tools/stage.sh
source tools/stage.sh

case $(stat -f -c %T "$folder") in
tmpfs | ramfs) die "$folder is in memory, where syncing costs nothing: name a folder on a disk by TMPDIR" ;;
esac
rounds=${1:-3}
scale=${SCALE:-100}
backlog=${BACKLOG:-100000}
domains=10
prepare test
binary=${GATEPOST:-}
if [ -z "$binary" ]; then
  cargo build --locked --release --package gatepost
  binary=${CARGO_TARGET_DIR:-target}/release/gatepost
fi

# 2612 stays free until the mail server is back.
free 2612 2537 2547 2548 9937
cp benches/queue.toml "$folder/queue.toml"
for n in $(seq 0 $((domains - 1))); do
  cat <<EOF
[domain."d$n.example"]
hold = "2d"
recipients = ["carl"]
greylist = false
[domain."d$n.example".server]
upstream = "127.0.0.1:2600"
tls = "none"
EOF
done >>"$folder/queue.toml"
start() { gatepost "$binary" "$folder/queue.toml" 2537 9937 2612; }
start
# Read by rival.
# shellcheck disable=SC2034
relay_domains=$(seq -f 'd%g.example' -s ' ' 0 $((domains - 1)))
options() {
  cat <<EOF
relay_transport = relay:[127.0.0.1]:2612
smtp_dns_support_level = disabled
smtpd_relay_restrictions = reject_unauth_destination
smtputf8_enable = no
default_process_limit = 200
EOF
  printf '%s\n' "$@"
}
# Nothing is tried again while others are measured.
rival 2548 postfix < <(options 'minimal_backoff_time = 1h' 'maximal_backoff_time = 1h' 'queue_run_delay = 1h')
away=$postfix
rival 2547 postfix-hold < <(options 'smtpd_recipient_restrictions = check_client_access static:HOLD')
listening 2537 2547 2548
ours=$folder/data/queue/mail
theirs=$folder/postfix-hold/queue

waiting() { find "$@" -type f | wc -l; }
offer() { # port, mails, arguments of smtp-source
  local port=$1 mails=$2
  shift 2
  smtp-source -m "$mails" -f ann@b.example -M b.example "$@" "127.0.0.1:$port" >/dev/null 2>"$folder/trouble" ||
    { cat "$folder/trouble" >&2 && die "smtp-source failed at port $port"; }
}
# The processor's seconds of a process when it has nothing to do any more.
at_rest() { # process
  local before='' now
  now=$(seconds "$1")
  for _ in $(seq 100); do
    [ "$now" != "$before" ] || break
    before=$now
    sleep 0.3
    now=$(seconds "$1")
  done
  printf '%s' "$now"
}
# One load on one of them: mails a second, and CPU seconds per 1,000, until it is at rest and nothing is in `moving` any
# more. All of it must lie there afterwards.
run() { # port, process, folder, mails, arguments of smtp-source
  local port=$1 pid=$2 where=$3 mails=$4 before used began took there
  local moving=("${where%/*}"/{incoming,active})
  shift 4
  there=$(waiting "$where")
  before=$(seconds "$pid")
  began=$(date +%s%N)
  offer "$port" "$mails" "$@"
  took=$(($(date +%s%N) - began))
  until [ -z "$(find "${moving[@]}" -type f -print -quit 2>/dev/null)" ]; do
    [ $(($(date +%s%N) - began)) -lt 600000000000 ] || die "port $port still works at its mail"
    sleep 0.1
  done
  used=$(awk "BEGIN { print $(at_rest "$pid") - $before }")
  there=$(($(waiting "$where") - there))
  [ "$there" = "$mails" ] || die "port $port accepted $mails mails and has $there in its queue"
  awk -v n="$mails" -v ns="$took" -v cpu="$used" 'BEGIN { printf "%.1f %.4f\n", n * 1e9 / ns, cpu * 1000 / n }'
}

race() { # what, mails, arguments of smtp-source
  local what=$1 mails=$(($2 * scale / 100)) who port pid where round
  shift 2
  rm -f "$folder"/run.*
  for round in $(seq 0 "$rounds"); do
    for who in "postfix:2548:$away:$folder/postfix/queue/deferred" "postfix-hold:2547:$postfix:$theirs/hold" "gatepost:2537:$gatepost:$ours"; do
      IFS=: read -r who port pid where <<<"$who"
      # The first round warms up.
      [ "$round" -gt 0 ] || { run "$port" "$pid" "$where" $((mails / 10)) "$@" >/dev/null && continue; }
      run "$port" "$pid" "$where" "$mails" "$@" >>"$folder/run.$who"
    done
  done
  for who in "$folder"/run.*; do
    printf '%s,%s,%s,%s\n' "${who##*.}" "$what" "$(cut -d' ' -f1 "$who" | median)" "$(cut -d' ' -f2 "$who" | median)"
  done
}

# From when the mail server is back, or the mail is let go, until nothing waits: mails a second, CPU seconds per 1,000.
drain() { # who, what, process, command that lets it go, folders
  local who=$1 what=$2 pid=$3 go=$4 mails before began took used
  shift 4
  mails=$(waiting "$@")
  before=$(seconds "$pid")
  began=$(date +%s%N)
  $go
  until [ -z "$(find "$@" -type f -print -quit)" ]; do
    [ $(($(date +%s%N) - began)) -lt 600000000000 ] || die "$who still has $(waiting "$@") of $mails mails"
    sleep 0.02
  done
  took=$(($(date +%s%N) - began))
  used=$(awk "BEGIN { print $(seconds "$pid") - $before }")
  awk -v who="$who" -v what="$what" -v n="$mails" -v ns="$took" -v cpu="$used" \
    'BEGIN { printf "%s,%s,%.1f,%.4f\n", who, what, n * 1e9 / ns, cpu * 1000 / n }'
}
flush() { "$binary" --config "$folder/gatepost-2537.toml" queue flush --all >/dev/null; }
release() {
  postqueue -c "$folder/postfix-hold/config" -f 2>"$folder/trouble" || { cat "$folder/trouble" >&2 && die "Postfix does not try again"; }
}

echo 'who,load,mails per second,CPU seconds per 1000'
race 'accept 4 kB; 1 session' 1000 -s 1 -l 4000 -t carl@d0.example
race 'accept 4 kB; 16 sessions' 5000 -s 16 -l 4000 -t carl@d0.example
race 'accept 4 kB; 64 sessions' 5000 -s 64 -l 4000 -t carl@d0.example
race 'accept 4 kB; 64 sessions; many a connection' 5000 -d -s 64 -l 4000 -t carl@d0.example
race 'accept 50 kB; 16 sessions' 1000 -s 16 -l 50000 -t carl@d0.example

# The mail server is back: what waits for one domain, in its order, and then what waits for all of them.
postfix -c "$folder/postfix/config" stop 2>/dev/null
postsuper -c "$folder/postfix-hold/config" -H ALL 2>/dev/null
sink 2612
listening 2612
drain gatepost 'deliver; one domain in its order' "$gatepost" flush "$ours"
drain postfix-hold 'deliver; one domain' "$postfix" release "$theirs"/{incoming,active,deferred}
kill "${running[-1]}"
wait "${running[-1]}" 2>/dev/null || true
unset 'running[-1]'
for port in 2537 2547; do
  for n in $(seq 0 $((domains - 1))); do
    offer "$port" $((1000 * scale / 100)) -d -s 16 -l 4000 -t "carl@d$n.example"
  done
done
postsuper -c "$folder/postfix-hold/config" -H ALL 2>/dev/null
sink 2612
listening 2612
drain gatepost "deliver; $domains domains" "$gatepost" flush "$ours"
drain postfix-hold "deliver; $domains domains" "$postfix" release "$theirs"/{incoming,active,deferred}

[ "$backlog" -gt 0 ] || exit 0
kill "${running[-1]}"
wait "${running[-1]}" 2>/dev/null || true
unset 'running[-1]'
for n in $(seq 0 $((domains - 1))); do
  offer 2537 $((backlog / domains)) -d -s 64 -l 1000 -t "carl@d$n.example"
done
there=$(waiting "$ours")
kill -9 "$gatepost"
wait "$gatepost" 2>/dev/null || true
began=$(date +%s%N)
start
until answers 2537; do
  [ $(($(date +%s%N) - began)) -lt 60000000000 ] || die "Gatepost does not start with $there mails"
  sleep 0.01
done
took=$(($(date +%s%N) - began))
echo 'who,start,seconds,MiB of memory at the most'
awk -v n="$there" -v ns="$took" '/^VmHWM/ { printf "gatepost,with %d mails that wait,%.2f,%.1f\n", n, ns / 1e9, $2 / 1024 }' \
  "/proc/$gatepost/status"
