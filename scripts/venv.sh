#!/bin/sh
# scripts/venv.sh FOLDER REQUIREMENTS
# Makes or updates a virtual environment that holds exactly the packages of a hash-pinned requirements file.
# Needs a Python with venv and pip, nothing else. PYTHON=... chooses the interpreter; otherwise Lambda's version
# is taken where one is found, and else the python3 at hand.
set -eu
folder=$1 requirements=$2
wanted=3.13 oldest=3.11
tools=.venv-uv

# Two makes at the same time take turns.
if command -v flock >/dev/null; then
    exec 9>.venv.lock
    flock 9
fi

say() { echo "venv: $*" >&2; }
fail() { say "$*"; exit 1; }

# version PYTHON: prints 3.13 and the like, or fails. A pyenv shim may exist and not run, so each one is tried.
version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
recent() { "$1" -c "import sys; sys.exit(sys.version_info < (${oldest%.*}, ${oldest#*.}))" 2>/dev/null; }

on_this_machine() {
    for each in "python$wanted" python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$wanted"*/bin/python; do
        if [ "$(version "$each")" = "$wanted" ]; then
            command -v "$each"
            return
        fi
    done
    return 1
}

python=${PYTHON:-$(on_this_machine || true)}
base=${python:-$(command -v python3 || true)}
[ -n "$base" ] || fail "no python3 found; install Python $wanted ($oldest or later works)"

# uv installs in seconds what takes pip a minute, and can find or fetch a Python.
if [ ! -e "$tools/.made" ] || [ requirements/uv.txt -nt "$tools/.made" ]; then
    "$base" -m venv --clear "$tools" || fail "$base cannot make virtual environments; install its venv package"
    "$tools/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
    touch "$tools/.made"
fi

# uv does not read pip's settings; whoever set an index, links or a certificate for pip means them here as well.
# `pip config list` has the environment's settings first, which win.
settings=$("$tools/bin/python" -m pip config list 2>/dev/null || true)
setting() { echo "$settings" | sed -nE "s/^(:env:|global|install)\.$1='(.*)'\$/\2/p" | head -n 1; }
index=${UV_DEFAULT_INDEX:-$(setting index-url)}
links=${UV_FIND_LINKS:-$(setting find-links | sed 's/\\n/,/g; s/ /,/g')}
certificate=${SSL_CERT_FILE:-$(setting cert)}
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
[ -z "$links" ] || export UV_FIND_LINKS="$links"
[ -z "$certificate" ] || export SSL_CERT_FILE="$certificate"
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"

if [ -z "$python" ]; then
    # Both may fail, by design: there may be no such Python, and no way to fetch one.
    export UV_PYTHON_INSTALL_DIR="$PWD/$tools/pythons" UV_HTTP_RETRIES=0 UV_HTTP_TIMEOUT=10
    python=$("$tools/bin/uv" --quiet python find "$wanted" 2>/dev/null) || python=
    if [ -z "$python" ] && "$tools/bin/uv" --quiet python install --no-bin "$wanted" >/dev/null 2>&1; then
        python=$("$tools/bin/uv" --quiet python find "$wanted" 2>/dev/null) || python=
    fi
    unset UV_HTTP_RETRIES UV_HTTP_TIMEOUT
    [ "$(version "${python:-none}")" = "$wanted" ] || python=
fi
if [ -z "$python" ]; then
    python=$base
    recent "$python" || fail "Python $(version "$python") is too old; install Python $wanted ($oldest or later works)"
    say "no Python $wanted here, so Python $(version "$python") is used; everything but 'make build' works with it"
fi
recent "$python" || fail "$python does not run or is older than Python $oldest"

# An environment of another Python is made again.
if [ "$(version "$folder/bin/python" || true)" != "$(version "$python")" ]; then
    "$tools/bin/uv" --quiet venv --clear --python "$python" "$folder"
fi
VIRTUAL_ENV=$PWD/$folder "$tools/bin/uv" --quiet pip sync --require-hashes "$requirements"
touch "$folder/.made"
