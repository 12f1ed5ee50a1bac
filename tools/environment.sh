# Sourced by the commands of this folder: makes .venv and installs tfcompress into it, once for each state of setup.cfg.
#
#   root                  the repository
#   prepare [EXTRAS]      after it, `python` and the installed commands are those of .venv
#
# PYTHON names the interpreter to build .venv with, where it should not be the first fitting one on the PATH.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

# Prints the first interpreter that is new enough; says what is missing where there is none.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "${0##*/}: no Python 3.11 or newer among: ${PYTHON:-python3 python3.13 python3.12 python3.11 python}." \
        "Install one, or name it in the variable PYTHON." >&2
    return 1
}

prepare() {
    local extras="${1:-}" environment="$root/.venv" python stamp want log
    if [[ ! -x "$environment/bin/python" ]]; then
        python="$(find_python)" || return 1
        "$python" -m venv "$environment" || {
            rm -rf "$environment"
            echo "${0##*/}: $python cannot make a virtual environment; on Debian: apt-get install python3-venv." >&2
            return 1
        }
    fi
    PATH="$environment/bin:$PATH"
    unset PYTHONHOME
    stamp="$environment/.installed${extras:+-$extras}"
    want="$(cat "$root/setup.cfg" "$root/pyproject.toml" | cksum)"
    if [[ "$(cat "$stamp" 2>/dev/null)" != "$want" ]]; then
        echo "Installing tfcompress${extras:+[$extras]} into .venv: a few minutes the first time." >&2
        log="$(python -m pip install --disable-pip-version-check --editable "$root${extras:+[$extras]}" 2>&1)" || {
            echo "$log" >&2
            echo "${0##*/}: the installation failed; pip's lines above say why." >&2
            return 1
        }
        echo "$want" >"$stamp"
    fi
    # glibc gives memory back after each training step and faults it in again: keep 64 MiB.
    export MALLOC_TOP_PAD_="${MALLOC_TOP_PAD_:-67108864}" MALLOC_MMAP_THRESHOLD_="${MALLOC_MMAP_THRESHOLD_:-33554432}"
    export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-2}" CUDA_VISIBLE_DEVICES="${CUDA_VISIBLE_DEVICES:--1}"
}
