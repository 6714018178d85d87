#!/usr/bin/env bash
# Makes dist/gatepost-<version>-<arch>.tar.gz: the stripped release binary, the example configuration, the units for
# systemd, README and licences.
# shellcheck source=tools/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

config=fixtures/config/gatepost.toml
for file in "$config" README.md packaging/gatepost.service packaging/gatepost.socket packaging/gatepost.sysusers; do
  [ -f "$file" ] || die "$file is missing"
done
prepare build
cargo build --locked --release --package gatepost

id=$(cargo pkgid --locked --package gatepost) # ...#gatepost@0.1.0, or ...#0.1.0 where the folder has the name
version=${id##*[#@]}
name=gatepost-$version-$(uname -m)
mkdir -p dist
stage=$(mktemp -d "$PWD/dist/stage.XXXXXX")
trap 'rm -rf "$stage"' EXIT

install -D -m 755 "${CARGO_TARGET_DIR:-target}/release/gatepost" "$stage/$name/gatepost"
"${STRIP:-strip}" "$stage/$name/gatepost"
install -m 644 "$config" README.md packaging/gatepost.service packaging/gatepost.socket packaging/gatepost.sysusers "$stage/$name/"
for licence in LICENSE*; do
  [ ! -f "$licence" ] || install -m 644 "$licence" "$stage/$name/"
done

# The same tree gives the same archive: order, owners and times do not come from this machine.
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$epoch" --directory "$stage" "$name" |
  gzip --no-name --best >"$stage/$name.tar.gz"
mv "$stage/$name.tar.gz" dist/
printf '%s\n' "dist/$name.tar.gz"
