"""Where the command line writes: Rich on a terminal, plain text into a pipe, errors on standard error.

Data (cells, names, model words) reaches Rich only as `Text`, never as markup, and without control characters:
nothing stored in a database can colour, move or hide what a person reads. Into a pipe there are no colours,
no wrapping, and tables are Markdown.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table
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
    """One JSON object on one line of standard output, as it is, whatever the terminal."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")
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
    columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str = "", cell_width: int = 60
) -> Table:
    """A table of data. Cells are cut to `cell_width` characters; numbers stand right, NULL is dim."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from ..tools.cells import plain, shorten

    terminal = sys.stdout.isatty()
    table = Table(
        title=Text(title) if title else None,
        title_justify="left",
        box=box.ROUNDED if terminal else box.MARKDOWN,
    )
    numeric = [_is_numeric([row[i] for row in rows]) for i in range(len(columns))]
    for name, right in zip(columns, numeric, strict=True):
        table.add_column(plain_text(name), justify="right" if right else "left", overflow="fold")
    for row in rows:
        cells = []
        for value in row:
            text = shorten(visible(plain(value)), cell_width)
            text = text if terminal else text.replace("|", "\\|")
            cells.append(Text(text, style="dim" if value is None else ""))
        table.add_row(*cells)
    return table


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
