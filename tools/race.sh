#!/usr/bin/env bash
# Gatepost and Postfix's before-queue proxy (smtpd_proxy_filter) in turns, under the same load before the same sink.
#
#     tools/race.sh [ROUNDS]      default: 3
#
# GATEPOST   the binary, if it shall not be built
# CONFIG     its configuration (default: benches/load.toml)
# SCALE      how many mails, in per cent (default 100)
#
# Prints lines of CSV, as benches/README.md tells: the median of the rounds. Everything is on loopback, and ends with this.
# shellcheck source=tools/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=tools/stage.sh
source tools/stage.sh

rounds=${1:-3}
scale=${SCALE:-100}
prepare test
binary=${GATEPOST:-}
if [ -z "$binary" ]; then
  cargo build --locked --release --package gatepost
  binary=${CARGO_TARGET_DIR:-target}/release/gatepost
fi

free 2611 2536 2546 9936
sink 2611
gatepost "$binary" "${CONFIG:-benches/load.toml}" 2536 9936 2611
rival 2546 <<EOF
smtpd_proxy_filter = 127.0.0.1:2611
smtpd_relay_restrictions = reject_unauth_destination
smtputf8_enable = no
default_process_limit = 200
EOF
listening 2611 2536 2546

# The load tool counts a refusal as no failure, whatever it says: it has to be the one that is meant.
refuses() { # port
  local line
  exec 3<>"/dev/tcp/127.0.0.1/$1"
  printf 'HELO b.example\r\nMAIL FROM:<ann@b.example>\r\nRCPT TO:<carl@elsewhere.example>\r\nQUIT\r\n' >&3
  line=$(sed -n 4p <&3)
  exec 3>&-
  [[ $line = 5* ]] || die "port $1 does not refuse at RCPT: $line"
}

# One load on one of them: mails a second, and CPU seconds per 1,000.
run() { # who's port, pid (0: the sink itself), mails, arguments of smtp-source
  local port=$1 pid=$2 mails=$3 before=0 after=0 began took
  shift 3
  [ "$pid" = 0 ] || before=$(seconds "$pid")
  began=$(date +%s%N)
  smtp-source -m "$mails" -f ann@b.example -M b.example "$@" "127.0.0.1:$port" >/dev/null 2>"$folder/trouble" ||
    [ "${refused:-}" = 1 ] || { cat "$folder/trouble" >&2 && die "smtp-source failed at port $port"; }
  took=$(($(date +%s%N) - began))
  [ "$pid" = 0 ] || after=$(seconds "$pid")
  awk -v n="$mails" -v ns="$took" -v cpu="$(awk "BEGIN{print $after - $before}")" \
    'BEGIN { printf "%.1f %.4f\n", n * 1e9 / ns, cpu * 1000 / n }'
}

race() { # what, mails, arguments of smtp-source
  local what=$1 mails=$(($2 * scale / 100)) who port pid round
  shift 2
  rm -f "$folder"/run.*
  for round in $(seq 0 "$rounds"); do
    for who in sink:2611:0 postfix:2546:$postfix gatepost:2536:$gatepost; do
      IFS=: read -r who port pid <<<"$who"
      [ "$who" != sink ] || [ "${refused:-}" != 1 ] || continue
      # The first round warms up.
      [ "$round" -gt 0 ] || { run "$port" "$pid" $((mails / 10)) "$@" >/dev/null && continue; }
      run "$port" "$pid" "$mails" "$@" >>"$folder/run.$who"
    done
  done
  for who in "$folder"/run.*; do
    printf '%s,%s,%s,%s\n' "${who##*.}" "$what" "$(cut -d' ' -f1 "$who" | median)" "$(cut -d' ' -f2 "$who" | median)"
  done
}

echo 'who,load,mails per second,CPU seconds per 1000'
to=(-t carl@example.net)
race '4 kB; 10 sessions' 5000 -s 10 -l 4000 "${to[@]}"
race '4 kB; 100 sessions' 5000 -s 100 -l 4000 "${to[@]}"
race '4 kB; 10 sessions; many a connection' 10000 -s 10 -d -l 4000 "${to[@]}"
race '50 kB; 10 sessions' 3000 -s 10 -l 50000 "${to[@]}"
race '50 kB; 100 sessions' 3000 -s 100 -l 50000 "${to[@]}"
refused=1
refuses 2536
refuses 2546
race 'refused at RCPT; 10 sessions' 5000 -A -s 10 -t carl@elsewhere.example
race 'refused at RCPT; 100 sessions' 5000 -A -s 100 -t carl@elsewhere.example
