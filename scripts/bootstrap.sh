#!/bin/sh
# Finds a Python that can make a virtual environment and hands over to bootstrap.py.
# A name on PATH proves nothing (version-manager shims fail when run), so each candidate is tried.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
unset PYTHONHOME PYTHONPATH __PYVENV_LAUNCHER__ || true

too_bare=""
for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3.14 python3 python; do
    [ -n "$candidate" ] || continue
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
        exec "$candidate" -I "$here/bootstrap.py" "$@"
    fi
    too_bare=$candidate
done

if [ -n "$too_bare" ]; then
    echo "install: $too_bare is recent enough but cannot make virtual environments (venv or ensurepip is missing)." >&2
    echo "         On Debian and Ubuntu: apt-get install python3-venv. Then run make again." >&2
else
    echo "install: no Python >= 3.11 found on PATH (tried python3.13, 3.12, 3.11, 3.14, python3, python)." >&2
    echo "         Install one, or name it: make install PYTHON=/path/to/python3.12" >&2
fi
exit 3
