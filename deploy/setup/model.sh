#!/bin/sh
# Fetches a Whisper model into the data folder, from where `callscribe up` takes it.
#
#   model.sh              now, with a progress bar; exit code 1 when it cannot be had
#   model.sh beside PID   while process PID lives, quietly, and only if there is no model yet
#
# MODEL names it (models.txt beside this file lists them; none: nothing is fetched), CALLSCRIBE_DATA
# the data folder, MODEL_FROM another server with the same paths, MODEL_LIST another list.
set -eu

here=$(dirname "$0")
model=${MODEL:-base}
folder=${CALLSCRIBE_DATA:-data}/models
from=${MODEL_FROM:-https://huggingface.co}
list=${MODEL_LIST:-$here/models.txt}
beside=
[ "${1:-}" != beside ] || beside=${2:?usage: model.sh beside PID}

say() { echo "Whisper model: $*" >&2; }
give_up() { say "$*"; exit 1; }
bytes_of() { if [ -f "$1" ]; then wc -c <"$1" | tr -d ' '; else echo 0; fi; }
sha256_of() {
    if command -v sha256sum >/dev/null 2>&1; then sha256sum "$1"; else shasum -a 256 "$1"; fi |
        cut -d ' ' -f 1
}
# An engine was chosen by hand, so none is missing.
another_engine() { env | grep -q '^CALLSCRIBE_TRANSCRIBER__ENGINES__[A-Z_]*=.'; }
# A Silero model, for telling speech from noise, may lie there as well.
any_model() { ls "$folder" 2>/dev/null | grep '\.bin$' | grep -qvi silero; }

[ "$model" != none ] || exit 0
if [ -n "$beside" ] && { any_model || another_engine; }; then exit 0; fi

entry=$(grep -v '^#' "$list" | awk -v name="$model" '$1 == name { print $2, $3, $4, $5 }')
if [ -z "$entry" ]; then
    give_up "MODEL=$model is not known; allowed are none," \
        "$(grep -v '^#' "$list" | awk '{ printf "%s%s", (NR > 1 ? ", " : ""), $1 }')."
fi
# shellcheck disable=SC2086 # four fields without spaces
set -- $entry
file=$folder/$1 bytes=$2 sha256=$3 url=$from/$4
part=$file.part
later="PocketSphinx transcribes until it is here; 'make model' tries again."

if [ -f "$file" ]; then
    say "$file is here."
    exit 0
fi
command -v curl >/dev/null 2>&1 || give_up "curl is not installed. $later"
mkdir -p "$folder"

# Two at once, such as `make model` beside `make run`, would write into the same part.
lock=$part.lock
claim() { (set -C && echo $$ >"$lock") 2>/dev/null; }
if ! claim; then
    holder=$(cat "$lock" 2>/dev/null || true)
    if kill -0 "${holder:-none}" 2>/dev/null; then
        [ -z "$beside" ] || exit 0
        give_up "process $holder is fetching it already (if it is not, remove $lock)."
    fi
    # Whoever held it has died.
    rm -f "$lock"
    claim || give_up "another process is fetching it already (or $folder cannot be written)."
fi
trap 'rm -f "$lock"' EXIT
trap 'exit 130' HUP INT TERM

[ "$(bytes_of "$part")" -le "$bytes" ] || rm -f "$part"
megabytes=$(((bytes + 500000) / 1000000))
done_already=$(($(bytes_of "$part") / 1000000))
if [ -n "$beside" ]; then aside=" beside everything else (MODEL=none does without)"; else aside=; fi
say "fetching $model, $megabytes MB ($done_already MB of it are here), from $from into $folder$aside."

# Goes on where an earlier attempt stopped. A server that cannot (exit code 33) starts anew.
set -- curl --fail --location --show-error --continue-at - --output "$part" \
    --connect-timeout 20 --speed-limit 1000 --speed-time 60 "$url"
fetch_beside() {
    "$@" --silent 2>"$folder/fetch.log" &
    curl=$!
    trap 'kill "$curl" 2>/dev/null; rm -f "$lock"' EXIT
    while kill -0 "$curl" 2>/dev/null; do
        # What we run beside has ended: the next start goes on.
        kill -0 "$beside" 2>/dev/null || exit 0
        sleep 1
    done
    trap 'rm -f "$lock"' EXIT
    wait "$curl"
}
fetch() {
    [ "$(bytes_of "$part")" -ne "$bytes" ] || return 0
    if [ -n "$beside" ]; then fetch_beside "$@" --retry 3; else "$@" --progress-bar; fi
}

code=0
fetch "$@" || code=$?
if [ "$code" = 33 ]; then
    rm -f "$part"
    code=0
    fetch "$@" || code=$?
fi
case $code in
    0) ;;
    5 | 6 | 7 | 28 | 35) give_up "$from cannot be reached. $later" ;;
    *) give_up "$url cannot be fetched (curl's exit code $code). $later" ;;
esac
if [ "$(sha256_of "$part")" != "$sha256" ]; then
    rm -f "$part"
    give_up "what $from sent as $model is not the published file (its checksum is another one);" \
        "it was thrown away. $later"
fi
mv "$part" "$file"
if [ -n "$beside" ]; then say "$file is here; the next start uses it."; else say "$file is here."; fi
