"""No writing, no creating, no connecting: the Linux kernel's Landlock, for the rest of a process's life.

The sandbox child calls `forbid_changes` before it opens a database. What is covered: from then on this
process (and its later threads) can open no file for writing, create, remove, rename or truncate nothing,
and make no TCP connection, whatever an engine might be talked into. Reading is left alone: which files SQL
may read is the engine's lock (tools/engines).
What is not covered: systems without Landlock (Linux before 5.13, other systems), where the call changes
nothing and says so; UDP.

Source: the kernel's userspace-api/landlock documentation; the numbers are of linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

_CREATE_RULESET, _RESTRICT_SELF = 444, 446  # of system calls, the same on nearly all architectures
_ASK_VERSION = 1
_NO_NEW_PRIVILEGES = 38

# Everything but execute (1), read file (4) and read directory (8), by the version of Landlock that knows it.
_WRITING = {1: 0x1FF2, 2: 0x2000, 3: 0x4000}  # write and make and remove; refer (rename across); truncate
_TCP = {4: 0x3}  # bind, connect


def forbid_changes() -> bool:
    """Give up changing files and using TCP, in this thread and those it starts. False where impossible."""
    if sys.platform != "linux":
        return False
    system = ctypes.CDLL(None, use_errno=True)
    version = system.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION))
    if version < 1:
        return False
    files = sum(bits for since, bits in _WRITING.items() if since <= version)
    network = sum(bits for since, bits in _TCP.items() if since <= version)
    attributes = struct.pack("=QQ", files, network)[: 16 if version >= 4 else 8]
    ruleset = system.syscall(
        _CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0)
    )
    if ruleset < 0:
        return False
    try:
        # Without a rule that allows something, all that the ruleset speaks of is forbidden.
        return (
            system.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
            and system.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)) == 0
        )
    finally:
        os.close(ruleset)
