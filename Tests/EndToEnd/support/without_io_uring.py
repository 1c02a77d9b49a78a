"""Runs a program in a process that is not allowed io_uring, as in most containers: without_io_uring.py ERRNO PROGRAM …"""

import ctypes
import errno
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, FAIL = 0x7FFF0000, 0x00050000
# The same number on every architecture (Linux 5.1).
IO_URING_SETUP = 425


def forbid(code: int) -> None:
    """From here on io_uring_setup(2) fails with the errno."""
    # Load the call's number; is it io_uring_setup? No: allow.
    steps = [(0x20, 0, 0, 0), (0x15, 0, 1, IO_URING_SETUP), (0x06, 0, 0, FAIL | code), (0x06, 0, 0, ALLOW)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    filter = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(program)))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or library.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter):
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    forbid(getattr(errno, sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
