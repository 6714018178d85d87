# shellcheck shell=bash
# The stage on which Gatepost and Postfix are measured: one sink behind both, everything on loopback, in a folder that goes
# with the script that sources this. After tools/env.sh; Postfix wants to be started by root.
[ "$(id -u)" = 0 ] || die "Postfix is started here, which only root may"
PATH=$PATH:/usr/sbin
ulimit -Sn "$(ulimit -Hn)"
folder=$(mktemp -d)
running=()
end() {
  local config
  for config in "$folder"/*/config; do
    [ ! -d "$config" ] || postfix -c "$config" stop >/dev/null 2>&1 || true
  done
  for one in "${running[@]}"; do kill "$one" 2>/dev/null || true; done
  wait "${running[@]}" 2>/dev/null || true
  rm -rf "$folder"
}
trap end EXIT

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
# Who listens there already would be measured in our place.
free() { # ports
  local port
  for port in "$@"; do
    ! answers "$port" || die "somebody listens on port $port: is another measurement running?"
  done
}
listening() { # ports
  local port
  for port in "$@"; do
    for _ in $(seq 100); do
      ! answers "$port" || continue 2
      sleep 0.1
    done
    cat "$folder"/*.log >&2 || true
    die "nobody listens on port $port"
  done
}

sink() { # port
  smtp-sink -u nobody -m 20000 "127.0.0.1:$1" 4096 >/dev/null 2>"$folder/sink.log" &
  running+=($!)
}

# Sets `gatepost` to its process.
gatepost() { # binary, configuration, port, port of HTTP, port of the sink, further arguments of sed
  local binary=$1 config=$2 port=$3 http=$4 sink=$5
  shift 5
  sed -e "s|^data_dir.*|data_dir = '$folder/data'|" -e "s|127.0.0.1:2525|127.0.0.1:$port|" \
    -e "s|127.0.0.1:2600|127.0.0.1:$sink|" "$@" "$config" >"$folder/gatepost-$port.toml"
  printf '[admin]\nbind = "127.0.0.1:%s"\n' "$http" >>"$folder/gatepost-$port.toml"
  "$binary" run --config "$folder/gatepost-$port.toml" >"$folder/gatepost-$port.log" 2>&1 &
  gatepost=$!
  running+=("$gatepost")
}

# More lines of main.cf come on standard input; `relay_domains` may be set before. Sets `postfix` to its process.
rival() { # port, its folder if there are several
  local at=$folder/${2:-postfix}
  mkdir -p "$at/"{config,queue,data}
  chmod 755 "$folder" "$at" "$at/"*
  chown postfix "$at/data"
  {
    cat <<EOF
compatibility_level = 3.6
queue_directory = $at/queue
data_directory = $at/data
maillog_file = $at/log
maillog_file_prefixes = $folder
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = mx.d.example
mydestination =
mynetworks = 127.0.0.0/8
relay_domains = ${relay_domains:-example.net}
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
smtpd_peername_lookup = no
EOF
    cat
  } >"$at/config/main.cf"
  cat >"$at/config/master.cf" <<EOF
127.0.0.1:$1 inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
pickup unix n - n 0 1 pickup
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
  if ! postfix -c "$at/config" start >"$folder/postfix.log" 2>&1; then
    cat "$folder/postfix.log" >&2
    die "Postfix does not start"
  fi
  # Read by the script that sources this.
  # shellcheck disable=SC2034
  postfix=$(tr -d ' ' <"$at/queue/pid/master.pid")
}

# The processor's seconds of a process and all below it, those that have ended too.
seconds() { # pid
  # A process may end while it is looked at.
  { cat /proc/[0-9]*/stat 2>/dev/null || true; } | sed 's/([^)]*)/x/' | awk -v root="$1" -v tick="$(getconf CLK_TCK)" '
    { parent[$1] = $4; used[$1] = $14 + $15 + $16 + $17 }
    END { for (pid in used) { up = pid; while (up != root && up in parent && up > 1) up = parent[up]; if (up == root) sum += used[pid] }
          print sum / tick }'
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
