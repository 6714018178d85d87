#!/usr/bin/env bash
# Installs what this machine lacks for a task, and says nothing when it lacks nothing.
#
#     tools/packages.sh build    a C++ compiler and libclang, for RocksDB and its bindings
#     tools/packages.sh run      the same, and curl, for the commands that a first start prints
#     tools/packages.sh test     the same as build, cargo-nextest, and the programs that the tests start
#     tools/packages.sh lint     the same as build, cargo-deny, rustfmt and clippy
#     tools/packages.sh fuzz     the same as build and cargo-fuzz
#
# What is looked for is the thing itself (a command, a library, a header), so that a machine on which it came from
# elsewhere is left alone. Only Debian and its relatives are installed on; others are told what to install.
set -euo pipefail

say() { printf 'packages: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

task=${1:-}
case "$task" in
  build | run | test | lint | fuzz) ;;
  *) die "usage: tools/packages.sh build|run|test|lint|fuzz" ;;
esac

for tool in cargo rustc; do
  command -v "$tool" >/dev/null || die "$tool is missing: install Rust with rustup, then try again"
done

# A postfix that lies in /usr/sbin is there for the tests even when that is not in a user's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

have() { command -v "$1" >/dev/null; }
any() { # does one of the patterns match a file?
  local pattern
  for pattern in "$@"; do
    if compgen -G "$pattern" >/dev/null; then return 0; fi
  done
  return 1
}
have_libclang() {
  [ -z "${LIBCLANG_PATH:-}" ] || return 0
  any '/usr/lib/llvm*/lib/libclang[-.]*so*' '/usr/lib/*-linux-gnu/libclang[-.]*so*' '/usr/lib64/libclang[-.]*so*' \
    '/usr/lib/libclang[-.]*so*' '/usr/local/lib/libclang[-.]*so*'
}
# Without these headers libclang parses nothing ('stdbool.h' file not found).
have_clang_headers() {
  [ -z "${LIBCLANG_PATH:-}" ] || return 0
  any '/usr/lib/llvm*/lib/clang/*/include/stdbool.h' '/usr/lib/clang/*/include/stdbool.h' \
    '/usr/lib64/clang/*/include/stdbool.h' '/usr/local/lib/clang/*/include/stdbool.h'
}

# Debian's names carry the version of LLVM. The release's own default is what libclang1 depends on; without that
# package, the newest for which the library and its headers are both there.
clang_version() {
  local version
  version=$(apt-cache depends libclang1 2>/dev/null | sed -n 's/.*Depends: libclang1-\([0-9]*\).*/\1/p' | head -n 1)
  if [ -z "$version" ]; then
    version=$(comm -12 \
      <(apt-cache pkgnames libclang1- | sed -n 's/^libclang1-\([0-9]*\)\(t64\)\?$/\1/p' | sort -u) \
      <(apt-cache pkgnames libclang-common- | sed -n 's/^libclang-common-\([0-9]*\)-dev$/\1/p' | sort -u) |
      sort -n | tail -n 1)
  fi
  printf '%s' "$version"
}
clang_packages() {
  local version library
  version=$(clang_version)
  [ -n "$version" ] || die "apt knows no libclang; is apt-get update allowed here?"
  library=libclang1-$version
  # The change to 64-bit time renamed libraries in some releases.
  [ -n "$(apt-cache policy "$library" 2>/dev/null)" ] || library=${library}t64
  printf '%s libclang-common-%s-dev' "$library" "$version"
}

missing=()
need() { have "$1" || missing+=("$2"); }

need c++ g++
need cc gcc
need ar binutils
need make make
need flock util-linux
if ! have_libclang || ! have_clang_headers; then missing+=(libclang); fi
[ "$task" != run ] || need curl curl
if [ "$task" = test ]; then
  need postfix postfix
  need clamd clamav-daemon
  need c-icap c-icap
  need dovecot dovecot-core
  any /usr/lib/dovecot/lmtp /usr/libexec/dovecot/lmtp || missing+=(dovecot-lmtpd)
  any /usr/lib/dovecot/imap /usr/libexec/dovecot/imap || missing+=(dovecot-imapd)
  need sievec dovecot-sieve
  need openssl openssl
  need python3 python3
  need zstd zstd
fi

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  else
    sudo "$@"
  fi
}
# Packages that start a service are unpacked with starting forbidden, and postfix is left without a configuration
# of its own (its unit then starts at no boot either): the tests run instances of their own. clamd, too, is only unpacked:
# without a database its unit starts at no boot, and freshclam, which would fetch one, is left to be run by hand. The units
# of Dovecot and c-icap are disabled, since they would start with the settings of their packages.
install_debian() {
  local began=$SECONDS names=() name found clang=() guard=/usr/sbin/policy-rc.d made=
  # Lists may be absent (a fresh image) or so old that their files are gone from the mirror.
  as_root apt-get update -qq || say "apt-get update failed; trying with the lists that are here"
  for name in "$@"; do
    if [ "$name" = libclang ]; then
      found=$(clang_packages)
      read -ra clang <<<"$found"
      names+=("${clang[@]}")
    else
      names+=("$name")
    fi
  done
  say "installing ${names[*]}"
  if [ ! -e "$guard" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$guard" >/dev/null
    as_root chmod 755 "$guard"
    made=$guard
  fi
  # shellcheck disable=SC2064  # the path as it is now
  [ -z "$made" ] || trap "as_root rm -f '$made'" EXIT
  if [[ " ${names[*]} " == *" postfix "* ]]; then
    # Were a mail server here, --no-remove below would stop the installation rather than replace it.
    if have debconf-set-selections; then
      printf 'postfix postfix/main_mailer_type select No configuration\n' | as_root debconf-set-selections
    fi
  fi
  if [[ " ${names[*]} " == *" clamav-daemon "* ]] && have debconf-set-selections; then
    printf 'clamav-freshclam clamav-freshclam/autoupdate_freshclam select manual\n' | as_root debconf-set-selections
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-remove \
    "${names[@]}" </dev/null >&2 || die "apt-get failed; install by hand: ${names[*]}"
  if [[ " ${names[*]} " == *" dovecot-core "* ]] && have systemctl; then
    as_root systemctl --quiet disable dovecot.service dovecot.socket 2>/dev/null || true
  fi
  if [[ " ${names[*]} " == *" c-icap "* ]] && have systemctl; then
    as_root systemctl --quiet disable c-icap.service 2>/dev/null || true
  fi
  say "installed in $((SECONDS - began)) s"
}

if [ ${#missing[@]} -gt 0 ]; then
  by_hand=${missing[*]/#libclang/libclang with its headers (Debian: libclang1 and libclang-common-<version>-dev)}
  have apt-get || die "missing here: $by_hand. This is no Debian; install them with its own tools"
  [ "$(id -u)" = 0 ] || have sudo || die "missing here: $by_hand. Neither root nor sudo: install them by hand"
  install_debian "${missing[@]}"
fi

# Programs of cargo, at versions that compile with the toolchain of this workspace.
cargo_program() { # command, version, minutes of two cores that it takes, arguments of cargo install
  local name=$1 version=$2 minutes=$3 began=$SECONDS
  shift 3
  have "$name" || any "${CARGO_HOME:-$HOME/.cargo}/bin/$name" && return 0
  say "$name is missing; compiling version $version, about $minutes min on two cores, once per machine"
  # Not among our own artefacts, where a CARGO_TARGET_DIR would put it; and not tuned, since it is compiled for longer
  # than it will run.
  env -u CARGO_TARGET_DIR CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=false \
    cargo install --locked --version "$version" "$name" "$@" </dev/null >&2 ||
    die "could not install it; by hand: cargo install --locked --version $version $name"
  say "$name installed in $((SECONDS - began)) s"
}
# rustup leaves a command for each component in the path, installed or not: only running it tells.
component() { # cargo's subcommand, the component of rustup that brings it
  cargo "$1" --version >/dev/null 2>&1 && return 0
  if have rustup && rustup component add "$2" >&2; then return 0; fi
  die "cargo $1 does not work: install the component $2 of the Rust toolchain"
}
case "$task" in
  test) cargo_program cargo-nextest 0.9.143 4 --no-default-features --features default-no-update ;;
  lint)
    component fmt rustfmt
    component clippy clippy
    cargo_program cargo-deny 0.20.2 4
    ;;
  fuzz) cargo_program cargo-fuzz 0.13.2 1 ;;
esac
