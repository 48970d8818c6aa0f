"""One sandbox child as its parent sees it: start, ask, interrupt, kill."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from typing import Any

from .frames import BrokenFrame, body_length, pack, unpack, write_all

_GRACE = 0.4  # seconds between the soft interrupt and the kill
_LOOK = 0.05  # seconds between two looks at the cancel event
_PIECE = 1 << 18
# Where Python finds its libraries and the local time: all of the caller's environment that the child sees.
_KEPT = ("PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZ", "SYSTEMROOT")


class Stopped(Exception):
    """The child did not answer in time or was cancelled, and has been stopped. `why`: "seconds", "cancel"."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Child:
    """A running `sqlberg.tools.worker`. Used by one thread at a time."""

    def __init__(self) -> None:
        control, self._control = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "sqlberg.tools.worker", str(control)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=clean_environment(),
                cwd=os.sep,
                pass_fds=(control,),
                bufsize=0,
                process_group=0,  # Ctrl-C in the terminal is the parent's to handle
            )
        except BaseException:
            os.close(self._control)
            raise
        finally:
            os.close(control)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests = self._process.stdin.fileno()
        self._answers = self._process.stdout.fileno()
        self._poll = select.poll()
        self._poll.register(self._answers, select.POLLIN | select.POLLHUP)
        self._number = 0
        self._deadline = 0.0
        self._cancel: threading.Event | None = None
        self._stopping = ""  # why the statement is being stopped, while it is
        self._midway = False  # whether a message has been read in part
        self.worn = False  # whether it should be replaced after the last statement
        self.opened: tuple[str, int] | None = None  # version of the database and memory_mb it is open with

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, request: dict[str, Any], seconds: float, cancel: threading.Event | None) -> None:
        """Send a request; its answers must have come within `seconds` from now. Raises BrokenFrame."""
        self._number += 1
        self._deadline = time.monotonic() + seconds
        self._cancel, self._stopping = cancel, ""
        try:
            write_all(self._requests, pack({**request, "number": self._number, "seconds": seconds}))
        except BrokenPipeError:
            raise BrokenFrame("the child is gone") from None

    def answer(self) -> tuple[Any, ...]:
        """The next message. Raises Stopped (out of time or cancelled) or BrokenFrame (the child died)."""
        self._midway = False
        length = body_length(self._read(4))
        message = unpack(self._read(length))
        if not isinstance(message, tuple) or not message:
            raise BrokenFrame("unreadable message")
        if message[0] != "rows":
            self.worn = message[-1] is True
        return message

    def kill(self) -> None:
        """End the process now and collect it; harmless when it has ended already."""
        self._process.kill()
        self._process.wait()
        self.forget()

    def ended_by(self) -> int | None:
        """The number of the signal that ended it, 0 if none did; None when it runs on."""
        try:
            return max(0, -self._process.wait(_GRACE))  # its pipes close a moment before it is gone
        except subprocess.TimeoutExpired:
            return None

    def end_from_outside(self) -> None:
        """Kill the process while another thread waits for its answer; that thread collects it."""
        self._process.kill()

    def forget(self) -> None:
        """Close this process's ends of the pipes (the child ends when the last copy of them is closed)."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        if self._control >= 0:
            os.close(self._control)
            self._control = -1

    def _read(self, count: int) -> bytes:
        pieces: list[bytes] = []
        while count:
            self._wait()
            piece = os.read(self._answers, min(count, _PIECE))
            if not piece:
                raise BrokenFrame("the child is gone")
            self._midway = True
            pieces.append(piece)
            count -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _wait(self) -> None:
        """Wait until there is something to read, within the deadline and while nobody cancels."""
        while True:
            left = self._deadline - time.monotonic()
            if self._cancel is not None and self._cancel.is_set():
                self._stop("cancel")
            pause = max(0.0, left if self._cancel is None else min(left, _LOOK))
            # What has come is taken even a little late: a busy machine may not have let us look in time.
            if self._poll.poll(1000 * pause) and left > -_GRACE:
                return
            if left <= 0:
                self._stop("seconds")

    def _stop(self, why: str) -> None:
        """Interrupt, wait a moment for the statement to end, else kill the child. Raises Stopped."""
        if self._stopping or self._midway:
            self.kill()
            raise Stopped(self._stopping or why)
        self._stopping, self._cancel = why, None
        self._deadline = time.monotonic() + _GRACE
        try:
            os.write(self._control, self._number.to_bytes(8, "big"))
            while self.answer()[0] == "rows":
                continue
        except (BrokenFrame, BrokenPipeError):
            self.kill()
        raise Stopped(why)


def clean_environment() -> dict[str, str]:
    """The environment of our own processes: modules are found as here, and nothing else is passed on."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    modules = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
    # One heap per process instead of one per thread: those reserve 64 MiB of address space each.
    return {**kept, "PYTHONPATH": modules, "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "1"}
