#!/usr/bin/env bash
# Writes what fuzzing begins with, out of fixtures/: the client's lines and the mail server's replies of every dialogue,
# every mail, every configuration; out of crates/containers/fixtures/, every archive and document; out of
# crates/command-mailbox/fixtures/reports/, every report. It goes to fuzz/made/ (which git ignores), a folder for each
# target, and fuzz/made/config.dict.
# shellcheck source=tools/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
export LC_ALL=C

made=fuzz/made
rm -rf "$made"
for target in addresses body commands config containers documents headers html lines links outlook recipients relay \
  replies reports senders session subjects tnef transactions; do
  mkdir -p "$made/$target"
done

dialogues() { find fixtures crates -path '*/target' -prune -o -name '*.smtp' -print | sort; }
mapfile -t scripts < <(dialogues)
[ ${#scripts[@]} -gt 0 ] || die "there is no dialogue"

# A file's name is its number: what is the same as another one is not written again.
awk -v made="$made" '
function put(target, text,    name) {
  if (text == "" || (target, text) in seen) return
  seen[target, text] = 1
  name = sprintf("%s/%s/%04d", made, target, ++count[target])
  printf "%s", text >name
  close(name)
}
# The octets of a quoted text, as in `raw "a\r\n\x80"`. NUL cannot be held by every awk: it is left out.
function unquote(text,    out, c, n) {
  sub(/^[^"]*"/, "", text); sub(/"[^"]*$/, "", text)
  out = ""
  while ((n = index(text, "\\")) > 0) {
    out = out substr(text, 1, n - 1)
    c = substr(text, n + 1, 1)
    text = substr(text, n + 2)
    if (c == "r") out = out "\r"
    else if (c == "n") out = out "\n"
    else if (c == "t") out = out "\t"
    else if (c == "x") { out = out sprintf("%c", hex(substr(text, 1, 2))); text = substr(text, 3) }
    else if (c != "0") out = out c
  }
  return out text
}
function hex(two) { return (index(digits, substr(two, 1, 1)) - 1) * 16 + index(digits, substr(two, 2, 1)) - 1 }
# The client said something that is answered before the next.
function turn(text) {
  turns = turns (turns == "" ? "" : ff) text
  all = all text
}
function finish() {
  if (turns == "") return
  # The whole dialogue, cut in some ways, then as deeds with answers between them.
  put("session", "C" a7 ff turns)
  put("session", "C\020\003\001\007\001" ff turns)
  deeds = turns
  gsub(ff, ff "A" ff "A" ff, deeds)
  put("session", deeds ff "A" ff "A" ff "E")
  put("session", "T" ff deeds)
  put("lines", " \377" all)
  put("lines", "\003\001\202\005\366" all)
  # Settings: an archive and actions of their own, the greylist, a queue, outbound.
  put("transactions", ff turns)
  put("transactions", "\112\173\001" ff turns)
  put("transactions", "\114\144\002" ff turns)
  put("transactions", "\055\055\200" ff turns)
  if (server == "") server = "250 2.1.0 ok\r\n" ff "250 2.1.5 ok\r\n" ff "354 go on\r\n" ff "250 2.0.0 ok\r\n"
  hello = ff "220 mx.d.example ESMTP\r\n" ff "250-mx.d.example\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250 8BITMIME\r\n"
  put("relay", "\003" "\001\003\010\007\007\007\007\007" substr(hello, 2) ff server)
  put("relay", "\001" "\001\001\003\006\001\003\010\010" substr(hello, 2) ff "220 mx.d.example ESMTP\r\n" ff server)
  turns = all = server = mail = ""
}
BEGIN {
  digits = "0123456789abcdef"; ff = "\377"; a7 = "\077\077\077\077\002"
}
FNR == 1 { finish() }
{ line = $0; sub(/^[ \t]+/, "", line) }
line ~ /^many [0-9]+ / { sub(/^many [0-9]+ /, "", line); sub(/ -> .*/, "", line) }
line ~ /^C / {
  text = substr(line, 3)
  put("commands", text)
  turn(text "\r\n")
  while (match(text, /<[^<> ]+@[^<> ]+>/)) {
    address = substr(text, RSTART + 1, RLENGTH - 2)
    put("addresses", address); put("senders", address)
    text = substr(text, RSTART + RLENGTH)
  }
  next
}
line ~ /^early / { turn(substr(line, 7) "\r\n"); next }
line ~ /^raw / { turn(unquote(line)); put("body", " " unquote(line)); next }
line ~ /^D( |$)/ {
  text = substr(line, 3)
  mail = mail text "\r\n"
  if (tolower(text) ~ /^subject: /) put("subjects", "    " substr(text, 10))
  if (tolower(text) ~ /^from: /) put("senders", substr(text, 7))
  next
}
line == "." {
  put("body", " " mail ".\r\n"); put("body", "\003\002\300\005" mail ".\r\n")
  put("headers", mail)
  turn(mail ".\r\n")
  mail = ""
  next
}
line ~ /^S [2-5][0-9][0-9]/ { put("replies", " " substr(line, 3) "\r\n"); next }
line ~ /^upstream (mail|dot|auth) [2-5][0-9][0-9]/ { sub(/^upstream [a-z]+ /, "", line) }
line ~ /^upstream rcpt [^ ]+ [2-5][0-9][0-9]/ { sub(/^upstream rcpt [^ ]+ /, "", line) }
line ~ /^[2-5][0-9][0-9] / {
  put("replies", " " line "\r\n"); put("replies", "\001\001" line "\r\n")
  server = server (server == "" ? "" : ff) line "\r\n"
  next
}
line ~ /^recipients / {
  sub(/^recipients [^ ]+ /, "", line); gsub(/ /, "\n", line)
  put("recipients", line ff "Ann+tag@d.example")
  next
}
line ~ /^desk / {
  n = split(line, word, " ")
  for (i = 6; i <= n; i++) put("senders", word[i])
}
END { finish() }
' "${scripts[@]}"

cp fixtures/mail/*.eml "$made/headers/"
for mail in fixtures/mail/*.eml; do
  # A whole mail, and its body as HTML.
  { printf '\003' && cat "$mail"; } >"$made/links/${mail##*/}"
  awk 'body { print } /^\r?$/ { body = 1 }' "$mail" >"$made/html/${mail##*/}"
  # What stands before the first piece says how it is cut: not at all.
  { printf ' ' && cat "$mail" && printf '\r\n.\r\n'; } >"$made/body/${mail##*/}"
  awk 'tolower($0) ~ /^subject: / { printf "    %s", substr($0, 10); exit }' "$mail" >"$made/subjects/${mail##*/}"
  awk 'tolower($0) ~ /^from: / { sub(/\r$/, ""); printf "%s", substr($0, 7); exit }' "$mail" >"$made/senders/${mail##*/}"
done

for document in crates/containers/fixtures/*.*; do
  name=${document##*/}
  case $name in
    *.sh) continue ;;
    *.gz) name=${name%.gz} && gzip -dc "$document" >"$made/documents/$name" ;;
    *) cp "$document" "$made/documents/$name" ;;
  esac
  case $name in
    # What the target puts before its input is left out.
    *.dat) tail -c +7 "$made/documents/$name" >"$made/tnef/$name" ;;
    *.doc | *.msg | *.xls) tail -c +9 "$made/documents/$name" >"$made/outlook/$name" ;;
  esac
done

# Reports, read whole.
for report in crates/command-mailbox/fixtures/reports/*.eml; do
  { printf '\377\377\377' && cat "$report"; } >"$made/reports/${report##*/}"
done

# Files that hold others, and discs from their descriptors on.
for archive in crates/containers/fixtures/*; do
  [[ -f $archive && $archive != *.sh ]] || continue
  { printf '\0' && cat "$archive"; } >"$made/containers/${archive##*/}"
done
for image in crates/containers/fixtures/*.iso.xz; do
  { printf '\1' && xz -dc "$image" | tail -c +32769 | head -c 60000; } >"$made/containers/${image##*/}.image" || true
done

configs=(fixtures/config/*.toml crates/proxy/src/config/default.toml)
for config in "${configs[@]}"; do
  cp "$config" "$made/config/${config##*/}"
done
# The pieces of configuration in the README, each behind the smallest file that is one.
awk -v made="$made" '
/^ *```toml/ { within = 1; text = ""; next }
/^ *```/ { if (within) { name = made "/config/readme" ++n; printf "%s", text >name; close(name) } within = 0; next }
within { text = text $0 "\n" }
' README.md

# Keys, headers of tables, and values: all that the configurations and the options of the filters name.
{
  grep -hoE '^ *#? ?\[+[^]#]+\]+' "${configs[@]}" | tr -d '# ' | sort -u
  grep -hoE '^ *#? ?[a-z_]+ *= ' "${configs[@]}" | sed 's/[# ]//g' | sort -u
  grep -hoE '"[^"]{1,30}"' "${configs[@]}" | sort -u
  grep -hoE '^ +pub [a-z_]+:' crates/proxy/src/config/*.rs crates/pipeline/src/policy.rs | sed 's/^ *pub //; s/:$/=/' | sort -u
} | sort -u | sed 's/\\/\\\\/g; s/"/\\"/g; s/.*/"&"/' >"$made/config.dict"
