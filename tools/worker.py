"""The sandbox's child: opens one database, locked, and runs one statement after another under hard limits.

Started by tools/child.py as `python -m sqlberg.tools.worker CONTROL_FD`; not meant to be run by hand. It
reads requests on standard input and answers on standard output (tools/frames.py); on CONTROL_FD come the
numbers of requests to interrupt, and its end tells that the parent is gone.

What is covered: address space (RLIMIT_AS) on top of what the opened engine needs at rest, no core dump, no
change to any file and no TCP (landlock.py; RLIMIT_FSIZE 0 besides), a kernel timer that ends the process
when even the parent fails to, rows, columns, cells and total size cut while fetching in batches.
What is not covered: on systems without /proc the address space is not limited.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
import threading
import time
from typing import Any

from .engines import Connection, Cursor, EngineError, connect
from .frames import BrokenFrame, pack, read_frame, write_all
from .landlock import forbid_changes
from .shorten import Shortener

_MIB = 1 << 20
_BATCH_CELLS = 4096  # cells fetched at once, at most
_BATCH_ROWS = 16  # rows fetched first; then more or fewer, by how long their cells are
_FRAME_WEIGHT = _MIB  # rows are sent on when they weigh this much
_ENGINE_SHARE = 0.8  # of the memory is the engine's own soft limit, so that it fails politely first
_ALARM_SLACK = 2.0  # seconds after the limit at which the kernel ends the process by itself


def main() -> None:
    """Serve requests until the parent closes standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    requests, answers = 0, os.dup(1)
    silence = os.open(os.devnull, os.O_RDWR)
    os.dup2(silence, 1)  # whatever a library prints must not reach the answers
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    forbid_changes()  # where it cannot, files might still appear, but empty
    server = _Server(requests, answers)
    threading.Thread(target=server.watch, args=(int(sys.argv[1]), os.getppid()), daemon=True).start()
    try:
        server.serve()
    except (BrokenFrame, BrokenPipeError):
        os._exit(0)


class _Server:
    def __init__(self, requests: int, answers: int) -> None:
        self._requests, self._answers = requests, answers
        self._connection: Connection | None = None
        self._base = 0  # bytes of address space at rest
        self._lock = threading.Lock()  # guards _number: an interrupt must not reach the next request
        self._number = 0

    def serve(self) -> None:
        while True:
            request = read_frame(self._requests)
            signal.setitimer(signal.ITIMER_REAL, request["seconds"] + _ALARM_SLACK)
            try:
                answer = self._open(request) if request["sql"] is None else self._run(request)
            except EngineError as error:
                answer = ("error", error.kind, error.message, self._worn(request))
            except MemoryError:
                answer = ("error", "memory", "the query needs more memory than it may use", True)
            finally:
                with self._lock:
                    self._number = 0
            signal.setitimer(signal.ITIMER_REAL, 0)
            write_all(self._answers, pack(answer))

    def watch(self, control: int, parent: int) -> None:
        """Interrupt the request whose number comes on the control pipe; end the process with the parent."""
        while True:
            ready, _, _ = select.select([control], [], [], 5.0)
            data = os.read(control, 8) if ready else b""
            if (ready and len(data) < 8) or os.getppid() != parent:
                os._exit(0)
            if ready:
                with self._lock:
                    if self._number == int.from_bytes(data, "big") and self._connection is not None:
                        self._connection.interrupt()

    def _open(self, request: dict[str, Any]) -> tuple[Any, ...]:
        """Open the database of the request's spec, in place of the one that was open."""
        _limit_address_space(None)
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._connection = connect(request["spec"], int(request["memory_mb"] * _ENGINE_SHARE) or 1)
        self._base = self._base or _address_space()
        return ("end", False)

    def _run(self, request: dict[str, Any]) -> tuple[Any, ...]:
        assert self._connection is not None
        with self._lock:
            self._number = request["number"]
        started = time.perf_counter()
        _limit_address_space(self._base + request["memory_mb"] * _MIB)
        cursor = self._connection.start(request["sql"], request["parameters"], trusted=request["trusted"])
        try:
            rows, cuts, of_columns = self._fetch(cursor, request)
        finally:
            cursor.close()
        seconds = time.perf_counter() - started
        if of_columns:
            cuts.append(("columns", request["columns"], of_columns))
        names, types = cursor.columns[: request["columns"]], cursor.types[: request["columns"]]
        return ("end", names, types, rows, cuts, seconds, self._worn(request))

    def _worn(self, request: dict[str, Any]) -> bool:
        """Whether the heap has stayed so big that the next statement would get less than is promised."""
        return _address_space() - self._base > request["memory_mb"] * _MIB // 2

    def _fetch(self, cursor: Cursor, request: dict[str, Any]) -> tuple[list[Any], list[Any], int]:
        """The last rows not yet sent, the cuts, and the number of columns if they were cut (else 0)."""
        width, most = len(cursor.columns), request["rows"]
        columns = request["columns"] if width > request["columns"] else 0
        batch, most_at_once = _BATCH_ROWS, max(1, _BATCH_CELLS // max(1, width))
        shortener = Shortener(request["cell_chars"])
        rows: list[Any] = []
        count, sent_weight, cuts = 0, 0, []
        while True:
            fetched = cursor.fetch(min(batch, most_at_once, most + 1 - count))
            seen = shortener.seen
            for row in fetched:
                if count == most or shortener.weight > request["weight"]:
                    cuts.append(("rows", count, None))
                    break
                rows.append(shortener.row(row[:columns] if columns else row))
                count += 1
                if shortener.weight - sent_weight > _FRAME_WEIGHT:
                    write_all(self._answers, pack(("rows", rows)))
                    rows, sent_weight = [], shortener.weight
            if cuts or not fetched:
                break
            # Rows are held whole until they are cut: of long ones, only a few at a time.
            batch = max(1, batch // 4) if shortener.seen - seen > 4 * _MIB else batch * 4
        if shortener.shortened:
            cuts.append(("cells", shortener.shortened, None))
        return rows, cuts, width if columns else 0


def _address_space() -> int:
    """Bytes of address space of this process (0 where the system does not tell)."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def _limit_address_space(limit: int | None) -> None:
    if sys.platform == "linux":
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        soft = hard if limit is None else limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


if __name__ == "__main__":
    main()
