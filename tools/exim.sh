#!/usr/bin/env bash
# Unpacks an Exim for the tests, once per machine, and prints, for `eval`, where it is:
#
#     eval "$(tools/exim.sh)"
#
# Debian's package cannot be installed beside a Postfix: what is downloaded is unpacked into the folder that also keeps
# RocksDB, and runs from there with configurations of the tests' own. Installed are the libraries that it needs, and made is
# the user that it asks for. A machine without network
# that has none is told what is missing, and the stories that need it fail.
#
# GATEPOST_CACHE   where to keep it (default: gatepost/ in the user's cache folder)
# EXIM_FOR_TESTS   an Exim of your own, which knows PRDR (GATEPOST_* are keys of the proxy's configuration)
set -euo pipefail

say() { printf 'exim: %s\n' "$*" >&2; }
give_up() {
  say "$*"
  say "NO Exim for the tests: put one that knows PRDR into EXIM_FOR_TESTS. The stories of PRDR fail without."
  exit 0
}
knows_prdr() { "$1" -C /dev/null -bV 2>/dev/null | grep -q '\bPRDR\b'; }
use() {
  printf 'export EXIM_FOR_TESTS=%q\n' "$1"
  exit 0
}

[ -z "${EXIM_FOR_TESTS:-}" ] || use "$EXIM_FOR_TESTS"
for installed in /usr/sbin/exim4 /usr/sbin/exim; do
  if [ -x "$installed" ] && knows_prdr "$installed"; then use "$installed"; fi
done

cache=${GATEPOST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gatepost}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
dir=$cache/exim
exim=$dir/usr/sbin/exim4
[ ! -x "$exim" ] || use "$exim"

for tool in apt-get dpkg-deb; do
  command -v "$tool" >/dev/null || give_up "$tool is missing: this is no Debian"
done
exec 9>"$dir.lock"
flock 9
[ ! -x "$exim" ] || use "$exim"

work=$(mktemp -d "$dir.tmp.XXXXXX")
trap 'rm -rf "$work"' EXIT
# Who downloads as root would drop to a user of apt's own, which may not write here.
fetch() { (cd "$work" && apt-get -o APT::Sandbox::User= download -qq "$1" </dev/null >&2); }
update() { if [ "$(id -u)" = 0 ]; then apt-get update -qq >&2; else sudo -n apt-get update -qq >&2; fi; }
fetch exim4-daemon-light || { update && fetch exim4-daemon-light; } ||
  give_up "exim4-daemon-light cannot be downloaded; is there a network, and are apt's lists here (apt-get update)?"
dpkg-deb -x "$work"/exim4-daemon-light_*.deb "$work/root"
# It is nobody's way to more rights.
chmod 755 "$work/root/usr/sbin/exim4"
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
lacks() { ldd "$work/root/usr/sbin/exim4" | sed -n 's/^\s*\(\S*\) => not found.*/\1/p' | tr '\n' ' '; }
missing=$(lacks)
if [ -n "$missing" ]; then
  # Its libraries are nobody's rivals: they may be installed.
  libraries=$(dpkg-deb -f "$work"/exim4-daemon-light_*.deb Depends | tr ',' '\n' | sed -n 's/^ *\(lib[^ ]*\).*/\1/p')
  say "it lacks $missing: installing its libraries"
  # shellcheck disable=SC2086
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $libraries \
    </dev/null >&2 || true
  missing=$(lacks)
fi
[ -z "$missing" ] || give_up "it lacks $missing: install ${libraries//$'\n'/ }"
# It asks for its own user whatever it is told, and Debian's package would have made that one.
id -u Debian-exim >/dev/null 2>&1 ||
  "${as_root[@]}" useradd --system --user-group --home-dir /var/spool/exim4 --no-create-home --shell /usr/sbin/nologin \
    Debian-exim >&2 || give_up "it needs a user Debian-exim: useradd --system --user-group Debian-exim"
knows_prdr "$work/root/usr/sbin/exim4" || give_up "it does not run, or does not know PRDR"
rm -rf "$dir"
mv "$work/root" "$dir"
say "unpacked $(basename "$work"/exim4-daemon-light_*.deb .deb) into $dir"
use "$exim"
