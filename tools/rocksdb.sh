#!/usr/bin/env bash
# Compiles RocksDB once per machine and prints, for `eval`, what makes cargo link that archive:
#
#     eval "$(tools/rocksdb.sh)"
#     cargo build
#
# Why: the build script of librocksdb-sys compiles 343 C++ files one by one, anew in every profile and every
# clone. Here the same files, from the same crate, are compiled in a few large units, which takes a third of the
# time, and the archive is kept outside the tree. A plain `cargo build` without this script works too, and so
# does everything when this script gives up: it then prints nothing on stdout and cargo compiles RocksDB itself.
#
# GATEPOST_CACHE   where to keep it (default: gatepost/ in the user's cache folder)
# CXX, CC, AR      the compilers and the archiver
# ROCKSDB_LIB_DIR  an archive or library of your own: it is left as it is, and so is ROCKSDB_COMPILE
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

crate=librocksdb-sys
unit_bytes=900000
work=

say() { printf 'rocksdb: %s\n' "$*" >&2; }
# A good end and nothing to link on stdout, also where an earlier `eval` left something: cargo does the work.
give_up() {
  say "$*"
  [ -z "${ROCKSDB_LIB_DIR:-}" ] || printf 'unset ROCKSDB_LIB_DIR ROCKSDB_STATIC\n'
  say "NOT using a prebuilt archive: cargo will compile RocksDB itself, which takes long."
  exit 0
}
trap '[ -z "$work" ] || rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

cache=${GATEPOST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gatepost}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
# Set by an earlier run it may name the archive of an older version; set by anybody else it is their choice.
case "${ROCKSDB_LIB_DIR:-}" in
  '' | "$cache"/*) ;;
  *) exit 0 ;;
esac
[ -z "${ROCKSDB_COMPILE:-}" ] || give_up "ROCKSDB_COMPILE is set"

# The archive is for the processors that rustc's default target stands for, so that a binary built with it may
# travel. Who asks rustc for another gets what the crate's build script makes of it.
case "${CARGO_ENCODED_RUSTFLAGS:-} ${RUSTFLAGS:-}" in
  *target-cpu* | *target-feature*) give_up "RUSTFLAGS choose a processor" ;;
esac
[ -z "${CARGO_BUILD_TARGET:-}" ] || give_up "CARGO_BUILD_TARGET is set"
host=$(rustc -vV | sed -n 's/^host: //p')
case "$host" in
  x86_64-*-linux-gnu | aarch64-*-linux-gnu) ;;
  *) give_up "no recipe for $host" ;;
esac

# At home a manifest may be newer than Cargo.lock, as for cargo build; not so in CI.
locked=(${CI:+--locked})
# "librocksdb-sys v0.19.0+11.8.1|bindgen-runtime,lz4,lz4-sys,static"
tree=$(cargo tree "${locked[@]}" --workspace --invert "$crate" --depth 0 --prefix none --format '{p}|{f}') ||
  give_up "cargo tree does not know $crate"
[ "$(wc -l <<<"$tree")" = 1 ] || give_up "more than one $crate in the graph"
version=${tree#"$crate v"}
version=${version%%|*}
features=${tree#*|}

# Another version may want other flags: compare its build.rs with what follows, then name it here.
case "$version" in
  0.19.*) ;;
  *) give_up "no recipe for $crate $version" ;;
esac

metadata=$(cargo metadata "${locked[@]}" --format-version 1 --filter-platform "$host") || give_up "cargo metadata failed"
source_of() { # the folder of a package; of a vendored one its name has no version
  local manifest
  manifest=$(grep -o "\"manifest_path\":\"[^\"]*/$1\(-[0-9][^\"/]*\)\?/Cargo.toml\"" <<<"$metadata" | head -n 1) || return 1
  manifest=${manifest#*:\"}
  dirname "${manifest%\"}"
}
crate_dir=$(source_of "$crate") || give_up "cannot find the sources of $crate $version"

# What build.rs of librocksdb-sys 0.19 does for Linux, with no processor flags since rustc's default target has
# none of those it looks for. Debug or release makes no difference to the defines: NDEBUG is always on.
flags=(-std=c++20 -O2 -fPIC -ffunction-sections -fdata-sections -w -include cstdint
  -DNDEBUG=1 -DHAVE_ALIGNED_NEW -DHAVE_UINT128_EXTENSION
  -DOS_LINUX -DROCKSDB_PLATFORM_POSIX -DROCKSDB_LIB_IO_POSIX -DROCKSDB_SCHED_GETCPU_PRESENT
  -DROCKSDB_AUXV_GETAUXVAL_PRESENT -DROCKSDB_FALLOCATE_PRESENT -DROCKSDB_RANGESYNC_PRESENT)
lz4=
for feature in ${features//,/ }; do
  case "$feature" in
    # These do not touch RocksDB's own sources.
    default | static | bindgen-runtime | bindgen-static | lz4-sys) ;;
    # lz4 itself is compiled and linked by lz4-sys as ever; RocksDB needs its headers only.
    lz4) lz4=$(source_of lz4-sys)/liblz4/lib || give_up "cannot find the sources of lz4-sys" ;;
    *) give_up "no recipe for the feature '$feature' of $crate" ;;
  esac
done
[ -z "$lz4" ] || flags+=(-DLZ4=1)
includes=(-I"$crate_dir/rocksdb/include" -I"$crate_dir/rocksdb" -I"$crate_dir" ${lz4:+-I"$lz4"})

# Words, since a compiler may be "ccache g++".
read -ra cxx <<<"${CXX:-c++}"
read -ra cc <<<"${CC:-cc}"
ar=${AR:-ar}
for tool in "${cxx[0]}" "${cc[0]}" "$ar"; do
  command -v "$tool" >/dev/null || give_up "$tool is not installed (tools/packages.sh build installs it)"
done

# Other flags or another compiler make another archive.
key=$(printf '%s\n' "$host" "$("${cxx[@]}" --version | head -n 1)" "${flags[@]}" | sha256sum | cut -c 1-8)
dir=$cache/rocksdb-$version-$key
archive=$dir/librocksdb.a

use() {
  printf 'export ROCKSDB_STATIC=1\nexport ROCKSDB_LIB_DIR=%q\n' "$dir"
  exit 0
}
[ ! -f "$archive" ] || use

# A second run waits for the first one, then finds its archive.
exec 9>"$dir.lock"
if ! flock --nonblock 9; then
  say "another run is compiling it; waiting"
  flock 9
fi
[ ! -f "$archive" ] || use
rm -rf "$dir".tmp.*
work=$dir.tmp.$$
mkdir -p "$work"

# One unit is a file that includes others, up to so many bytes: larger ones save little more and want 2 GB each.
# build.rs likewise takes the crate's own build_version.cc instead of the one in the list.
mapfile -t sources < <(grep -v '^util/build_version\.cc$' "$crate_dir/rocksdb_lib_sources.txt" | sed '/^[[:space:]]*$/d')
sources+=(../build_version.cc)
mapfile -t sizes < <(cd "$crate_dir/rocksdb" && stat -c %s "${sources[@]}")
[ ${#sizes[@]} = ${#sources[@]} ] || give_up "a source file of $crate is missing"
units=() filled=$unit_bytes
for i in "${!sources[@]}"; do
  if [ $((filled + sizes[i])) -gt $unit_bytes ]; then
    filled=0
    unit=$work/unit$(printf %02d ${#units[@]}).cc
    units+=("$unit")
  fi
  filled=$((filled + sizes[i]))
  printf '#include "%s"\n' "$crate_dir/rocksdb/${sources[i]}" >>"$unit"
done

# As many at once as there are cores, yet never more than the memory holds.
jobs=$(nproc)
fits=$(($(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1700000))
[ "$jobs" -le "$fits" ] || jobs=$((fits > 0 ? fits : 1))

say "compiling RocksDB ${version#*+} (${#sources[@]} files in ${#units[@]} units, $jobs at once); once per machine"
began=$SECONDS
# shellcheck disable=SC2016  # expanded by the inner shells
printf '%s\0' "${units[@]}" |
  xargs -0 -P "$jobs" -I {} sh -c 'unit=$1; shift; "$@" -c "$unit" -o "${unit%.cc}.o" && printf "rocksdb: %s compiled\n" "${unit##*/}" || exit 255' \
    sh {} "${cxx[@]}" "${flags[@]}" "${includes[@]}" 9>&- >&2 || give_up "the C++ compiler failed"
"$ar" crs "$work/librocksdb.a" "$work"/*.o || give_up "$ar failed"

# A program that writes a compressed table and reads it back, before anybody is told to link this.
cat >"$work/smoke.c" <<'C'
#include <assert.h>
#include <string.h>
#include <stdlib.h>
#include "rocksdb/c.h"
int main(int argc, char **argv) {
  (void)argc;
  char *err = NULL;
  size_t len = 0;
  rocksdb_options_t *o = rocksdb_options_create();
  rocksdb_options_set_create_if_missing(o, 1);
  rocksdb_options_set_compression(o, COMPRESSION);
  rocksdb_t *db = rocksdb_open(o, argv[1], &err);
  if (err) return 1;
  char value[4096];
  memset(value, 'x', sizeof value);
  rocksdb_writeoptions_t *w = rocksdb_writeoptions_create();
  rocksdb_put(db, w, "key", 3, value, sizeof value, &err);
  if (err) return 2;
  rocksdb_flushoptions_t *f = rocksdb_flushoptions_create();
  rocksdb_flush(db, f, &err);
  if (err) return 3;
  rocksdb_compact_range(db, NULL, 0, NULL, 0);
  char *got = rocksdb_get(db, rocksdb_readoptions_create(), "key", 3, &len, &err);
  if (err || !got || len != sizeof value || memcmp(got, value, len)) return 4;
  rocksdb_close(db);
  return 0;
}
C
compression=rocksdb_no_compression smoke=("$work/smoke.o")
[ -z "$lz4" ] || compression=rocksdb_lz4_compression
"${cc[@]}" -w -DCOMPRESSION=$compression "${includes[@]}" -c "$work/smoke.c" -o "$work/smoke.o" || give_up "the C compiler failed"
if [ -n "$lz4" ]; then
  for name in lz4 lz4hc; do
    "${cc[@]}" -w -O1 -c "$lz4/$name.c" -o "$work/c-$name.o" || give_up "the C compiler failed"
    smoke+=("$work/c-$name.o")
  done
fi
"${cxx[@]}" "${smoke[@]}" "$work/librocksdb.a" -lpthread -ldl -o "$work/smoke" || give_up "the archive does not link"
"$work/smoke" "$work/db" || give_up "the archive does not work (smoke test ended with $?)"

mkdir -p "$dir"
mv "$work/librocksdb.a" "$archive"
say "done in $((SECONDS - began)) s: $archive ($(du -m "$archive" | cut -f 1) MB)"
use
