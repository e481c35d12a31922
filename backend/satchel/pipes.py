"""Pipes through which the kernel moves bytes that nobody here reads."""

import ctypes
import fcntl
import os
from contextlib import suppress

SIZE = 1024 * 1024

_libc = ctypes.CDLL(None, use_errno=True)


def wide_pipe() -> tuple[int, int]:
    """A pipe that never blocks, for SIZE bytes where that may be had: where it is read, and where it is written."""
    outlet, inlet = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    with suppress(OSError):  # it does with less, where a user may not have more
        fcntl.fcntl(inlet, fcntl.F_SETPIPE_SZ, SIZE)
    return outlet, inlet


def tee(source: int, target: int, count: int) -> int:
    """Put into one pipe what lies in another, and stays there; how many bytes of it there was room for.

    The pages are shared: https://man7.org/linux/man-pages/man2/tee.2.html
    """
    copied: int = _libc.tee(source, target, ctypes.c_size_t(count), ctypes.c_uint(os.SPLICE_F_NONBLOCK))
    if copied < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return copied
