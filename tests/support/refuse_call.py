#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs a program below a seccomp filter that refuses one system call with EPERM and lets all others through.

    tests/support/refuse_call.py NUMBER PROGRAM [WORD...]
"""

import ctypes
import errno
import os
import struct
import sys

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # of classic BPF (linux/filter.h)
ALLOW, ERRNO = 0x7FFF0000, 0x00050000  # linux/seccomp.h


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def main() -> None:
    number, command = int(sys.argv[1]), sys.argv[2:]
    steps = [
        (LOAD_WORD, 0, 0, 0),  # struct seccomp_data begins with the call's number
        (JUMP_IF_EQUAL, 0, 1, number),
        (RETURN, 0, 0, ERRNO | errno.EPERM),
        (RETURN, 0, 0, ALLOW),
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(steps), code)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.prctl(
        PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0
    ):
        sys.exit(f"refuse_call: no filter can be set: {os.strerror(ctypes.get_errno())}")
    os.execvp(command[0], command)


main()
