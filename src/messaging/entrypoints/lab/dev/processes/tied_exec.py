"""Becomes a server that the kernel ends when the process that started it dies; run as a script.

    python -I -S tied_exec.py SIGNAL PARENT_PID UID GID COMMAND...

It drops privileges (UID and GID, or -1 to keep them), asks the kernel to send SIGNAL when the parent dies, and
executes COMMAND in its own place. A separate program rather than a hook between fork and exec: those hooks are
unsafe beside threads and CPython warns about them. Privileges go first because changing them clears the request.
Outside Linux there is no such request; a killed parent then leaves its children running.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
NOT_STARTED = 127


def main(death_signal: int, parent: int, uid: int, gid: int, command: list[str]) -> None:
    if uid != -1:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
        if os.getppid() != parent:  # it died before we asked
            sys.exit(NOT_STARTED)
    os.execvp(command[0], command)


if __name__ == "__main__":
    _signal, _parent, _uid, _gid = map(int, sys.argv[1:5])
    try:
        main(_signal, _parent, _uid, _gid, sys.argv[5:])
    except OSError as error:
        sys.exit(f"cannot start {sys.argv[5]}: {error}")
