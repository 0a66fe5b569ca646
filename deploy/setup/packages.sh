#!/bin/sh
# Installs what is missing on this machine: packages.sh run | test | check
# Debian and Ubuntu (apt-get), Fedora (dnf), macOS (Homebrew); anywhere else it says what to install.
set -eu

purpose=${1:?usage: packages.sh run|test|check}

have() { command -v "$1" >/dev/null 2>&1; }
have_postgres() { have initdb || ls /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb >/dev/null 2>&1; }
have_pocketsphinx() {
    have pocketsphinx || { have pocketsphinx_batch && [ -d /usr/share/pocketsphinx/model/en-us/en-us ]; }
}

# What is missing, by the thing it is needed for.
missing=
have redis-server || have valkey-server || missing="$missing redis"
have_pocketsphinx || missing="$missing pocketsphinx"
{ have cc && have c++; } || missing="$missing compiler"
have cmake || missing="$missing cmake"
have curl || missing="$missing curl"
case "$purpose" in
    test) have_postgres || missing="$missing postgres" ;;
    check) python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing venv" ;;
esac
[ -n "$missing" ] || exit 0

if have apt-get; then manager=apt-get
elif have dnf; then manager=dnf
elif have brew; then manager=brew
else manager=
fi

# The packages of one thing under this machine's package manager.
packages_of() {
    case "$manager:$1" in
        apt-get:redis) echo redis-server ;;
        dnf:redis) echo valkey ;;
        *:redis) echo redis ;;
        apt-get:pocketsphinx) echo pocketsphinx pocketsphinx-en-us ;;
        dnf:pocketsphinx) echo pocketsphinx pocketsphinx-models ;;
        *:pocketsphinx) echo cmu-pocketsphinx ;;
        apt-get:compiler) echo g++ libc6-dev ;;
        dnf:compiler) echo gcc-c++ ;;
        *:compiler) echo gcc ;;
        *:cmake) echo cmake ;;
        *:curl) echo curl ;;
        apt-get:postgres) echo postgresql ;;
        dnf:postgres) echo postgresql-server ;;
        *:postgres) echo postgresql ;;
        apt-get:venv) echo python3-venv ;;
        dnf:venv) echo python3 ;;
        *:venv) echo python ;;
    esac
}
packages=
for thing in $missing; do packages="$packages $(packages_of "$thing")"; done
packages=${packages# }

if [ -z "$manager" ]; then
    echo "Missing on this machine:$missing" >&2
    echo "Neither apt-get, dnf nor brew is here. Please install: $packages" >&2
    exit 1
fi

as_root=
if [ "$manager" != brew ] && [ "$(id -u)" != 0 ]; then
    if ! have sudo; then
        echo "Please run as root: $manager install -y $packages" >&2
        exit 1
    fi
    as_root=sudo
fi

echo "Installing with $manager: $packages"
case "$manager" in
    apt-get)
        $as_root apt-get update -qq
        # shellcheck disable=SC2086 # a list of package names
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
        ;;
    # shellcheck disable=SC2086
    dnf) $as_root dnf install -y -q $packages ;;
    # shellcheck disable=SC2086
    brew) brew install --quiet $packages ;;
esac
