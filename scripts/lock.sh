#!/bin/sh
# Resolves pyproject.toml into the lock files that plain pip installs with hashes:
# requirements-dev.lock (everything; a checkout), requirements.lock and requirements-build.lock (the image).
#   scripts/lock.sh            keep what is pinned, add what is missing
#   scripts/lock.sh --upgrade  take the newest that fits
set -eu
cd "$(dirname -- "$0")/.."

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    tools=$(mktemp -d)
    trap 'rm -rf "$tools"' EXIT
    .venv/bin/python -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check uv
    uv=$tools/bin/uv
fi

# Extras are kept because pip checks hashes per requirement: `redis[hiredis]` must appear as such.
compile() {
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
        --custom-compile-command "make lock" "$@"
}
compile pyproject.toml --extra embedded --extra otlp --group dev --output-file requirements-dev.lock "$@"
compile pyproject.toml --extra otlp --constraint requirements-dev.lock --output-file requirements.lock
compile --group build --constraint requirements-dev.lock --output-file requirements-build.lock
