"""Where the command line writes: Rich on a terminal, plain text into a pipe, errors on standard error.

Data (cells, names, model words) reaches Rich only as `Text`, never as markup, and without control characters:
nothing stored in a database can colour, move or hide what a person reads. Into a pipe there are no colours,
no wrapping, and tables are Markdown.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress
    from rich.text import Text

_JOINERS = "\u200c\u200d"  # part of ordinary Persian, Hindi and emoji
_PIPE_WIDTH = 100_000


def out() -> Console:
    """Standard output."""
    return _console(sys.stdout)


def err() -> Console:
    """Standard error."""
    return _console(sys.stderr)


def print_json(content: Any) -> None:
    """One JSON object on one line of standard output, as it is, whatever the terminal; paths as text."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False, default=os.fspath) + "\n")
    sys.stdout.flush()


def print_error(message: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"sqlberg: {visible(message)}\n")


def visible(text: str, *, lines: bool = False) -> str:
    """`text` with control, bidirectional and other invisible characters written out as escapes.

    lines: keep line breaks (for SQL and prose); otherwise they become "⏎".
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in _JOINERS or (lines and char == "\n") else _escaped(char)
        for char in text
    )


def plain_text(text: str, style: str = "", *, lines: bool = False) -> Text:
    """Data for Rich: shown letter by letter, never read as markup."""
    from rich.text import Text

    return Text(visible(text, lines=lines), style=style)


def data_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    title: str = "",
    cell_width: int = 60,
    right: Sequence[bool] | None = None,
) -> RenderableType:
    """A table of data. Cells are cut to `cell_width` characters; NULL is dim.

    right: which columns stand right; by default those of numbers.
    """
    from ..tools.cells import plain, shorten

    names = [visible(name) for name in columns]
    cells = [[shorten(visible(plain(value)), cell_width) for value in row] for row in rows]
    numeric = right or [_is_numeric([row[i] for row in rows]) for i in range(len(columns))]
    if not sys.stdout.isatty():
        return _markdown(names, cells, numeric, visible(title))
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title) if title else None, title_justify="left", box=box.ROUNDED)
    for name, to_right in zip(names, numeric, strict=True):
        table.add_column(Text(name), justify="right" if to_right else "left", overflow="fold")
    for row, shown in zip(rows, cells, strict=True):
        table.add_row(
            *(Text(text, "dim" if value is None else "") for text, value in zip(shown, row, strict=True))
        )
    return table


def wrapped(content: RenderableType, *, width: int) -> str:
    """What Rich would show at that width, as plain text."""
    from rich.console import Console

    console = Console(
        file=io.StringIO(), width=width, color_system=None, highlight=False, markup=False, emoji=False
    )
    with console.capture() as captured:
        console.print(content)
    return captured.get()


def progress_bar(description: str) -> Progress:
    """A progress bar on standard error, for a terminal only (`disable` otherwise)."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn(description),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
        console=err(),
        disable=not sys.stderr.isatty(),
    )


def _markdown(names: list[str], rows: list[list[str]], right: Sequence[bool], title: str) -> Text:
    """The table for a pipe: aligned, and Markdown at the same time."""
    from rich.text import Text

    lines = [[cell.replace("|", "\\|") for cell in line] for line in (names, *rows)]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(names))]
    texts = [
        "| "
        + " | ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        )
        + " |"
        for line in lines
    ]
    rule = "|".join(
        "-" * (width + 1) + ":" if to_right else "-" * (width + 2)
        for width, to_right in zip(widths, right, strict=True)
    )
    texts.insert(1, f"|{rule}|")
    return Text("\n".join([title, "", *texts] if title else texts))


def _console(stream: Any) -> Console:
    from rich.console import Console

    terminal = stream.isatty()
    return Console(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        color_system="auto" if terminal else None,
        width=None if terminal else _PIPE_WIDTH,
        soft_wrap=not terminal,
    )


def _escaped(char: str) -> str:
    if char in "\n\r\x85\u2028\u2029":
        return "⏎"
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _is_numeric(values: Sequence[Any]) -> bool:
    from decimal import Decimal

    known = [value for value in values if value is not None]
    return bool(known) and all(
        isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) for value in known
    )
