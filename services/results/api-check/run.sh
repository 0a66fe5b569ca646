#!/bin/sh
# Starts a service with sample rows and lets schemathesis (https://schemathesis.io, from PyPI) look
# for answers that the API's own description does not tell of.
set -eu
cd "$(dirname "$0")/../../.."

venv=target/api-check
version=4.32.5
if ! "$venv/bin/schemathesis" --version 2>/dev/null | grep -q "$version"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet "schemathesis==$version"
fi
cargo build --locked -p callscribe-results --example api_check

work=$(mktemp -d)
mkfifo "$work/hold" "$work/url"
target/debug/examples/api_check <"$work/hold" >"$work/url" &
exec 3>"$work/hold" # the service serves until this is closed
trap 'exec 3>&-; wait; rm -rf "$work"' EXIT
read -r url <"$work/url"

# Left out: the stream of live changes, which does not end by itself (tests/it/api_live.rs has it).
"$venv/bin/schemathesis" --config-file services/results/api-check/schemathesis.toml run \
    "$url/v1/openapi.json" --url "$url" --exclude-path /v1/events \
    --header "Authorization: Bearer a-token-for-the-check" \
    --checks all --max-examples "${EXAMPLES:-50}" --request-timeout 20 --continue-on-failure "$@"
