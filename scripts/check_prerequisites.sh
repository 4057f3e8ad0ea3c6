#!/bin/sh
# Checks what pip cannot install, before anything is downloaded. Prints one line to copy; exits 3.
fail() { printf '%s\n' "$1" >&2; exit 3; }
[ "$(uname -s)-$(uname -m)" = "Linux-x86_64" ] ||
    fail "JoyNet runs on Linux x86-64; this is $(uname -s) $(uname -m). On another system use a Linux x86-64 machine or virtual machine."
python=${1:-python3}
need=""
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || need="$need python3"
"$python" -c 'import venv, ensurepip' 2>/dev/null || need="$need python3-venv python3-pip"
command -v cc >/dev/null 2>&1 || need="$need build-essential"
printf '#include <gmp.h>\n#include <Python.h>\n' |
    cc $("$python" -c 'import sysconfig; print("-I" + sysconfig.get_path("include"))' 2>/dev/null) \
        -E - >/dev/null 2>&1 || need="$need build-essential libgmp-dev python3-dev"
[ -z "$need" ] && exit 0
need=$(printf '%s\n' $need | sort -u | tr '\n' ' ')
fail "Missing prerequisites (Python >= 3.11, pip, a C compiler, the libgmp headers). Copy this line:
  sudo apt-get install -y ${need% }"
