"""Exit codes: what a script may conclude from how a command ended."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """One code per outcome. With several questions in one run, the highest."""

    ANSWERED = 0
    ERROR = 1
    USAGE = 2
    HELD_BACK = 3
    PARTIAL = 4
    INTERRUPTED = 130


MEANINGS: dict[Exit, str] = {
    Exit.ANSWERED: "answered, or the command did what it should",
    Exit.ERROR: "error: one line on standard error says what and what to do",
    Exit.USAGE: "wrong use of the command line",
    Exit.HELD_BACK: "no answer: sqlberg abstained or asks back (for `replay`: the file no longer holds)",
    Exit.PARTIAL: "partial answer: a budget ended first",
    Exit.INTERRUPTED: "interrupted by Ctrl-C; nothing is left running",
}

OF_STATUS: dict[str, Exit] = {
    "answered": Exit.ANSWERED,
    "abstained": Exit.HELD_BACK,
    "clarify": Exit.HELD_BACK,
    "partial": Exit.PARTIAL,
    "failed": Exit.ERROR,
}
