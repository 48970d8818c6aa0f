"""The command line: `sqlberg ask`, `evaluate`, `fit`, `improve` and the others (`sqlberg --help`).

Stays light: what a command needs is imported when it runs, so `--help` loads no model and no database engine.
Every `SqlbergError` is one line on standard error; exit codes are in exits.py.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ..errors import SqlbergError
from ..tools.cells import excerpt
from .adapters import adapters
from .annotate import annotate
from .ask import ask
from .candidates import candidates
from .chat import chat
from .console import print_error
from .evaluate import evaluate
from .exits import MEANINGS, Exit
from .fit import fit
from .improve import improve
from .inspect import inspect
from .mcp import mcp
from .models import models
from .replay import replay
from .rollback import rollback
from .select import select
from .serve import serve
from .sizing import sizing
from .synthesize import synthesize
from .train import train
from .train_embedded import train_embedded

INTERRUPTED = 128 + signal.SIGINT
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_CODES = "\n\n".join(f"  {code.value}  {meaning}" for code, meaning in MEANINGS.items())


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except SqlbergError as error:
            print_error(str(error))
            raise typer.Exit(Exit.ERROR) from error
        except OSError as error:
            if error.errno in _UNWRITABLE:
                print_error(f"cannot write: {error.strerror}; make room and start again")
            elif isinstance(error.filename, str | os.PathLike):  # whatever looked for it did not foresee this
                print_error(
                    f"cannot use {excerpt(os.fspath(error.filename), 200)}: {error.strerror}; name another"
                )
            else:
                raise
            raise typer.Exit(Exit.ERROR) from error


app = typer.Typer(
    name="sqlberg",
    cls=_Commands,
    help="Ask a database in plain language; get the SQL, the rows, and how sure it is.",
    epilog=f"Exit codes:\n\n{_CODES}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"sqlberg {version('sqlberg')}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


_ASKING = (chat, ask, inspect, replay, evaluate, models)
_LEARNING = (improve, candidates, annotate, train, select, rollback, synthesize, fit, train_embedded)

for _command in (*_ASKING, *_LEARNING, serve, sizing, mcp):
    app.command(no_args_is_help=_command not in (chat, models, sizing))(_command)
app.add_typer(adapters)


def _interrupted(signal_number: int, frame: FrameType | None) -> None:
    """Ctrl-C. In the middle of an import, which may take it for an error of its own or swallow it, the
    program ends at once: nothing is lost that is not safe from a kill.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os._exit(INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt


def main() -> None:
    """Entry point of the `sqlberg` script."""
    signal.signal(signal.SIGINT, _interrupted)
    code: object = 0
    try:
        app(prog_name="sqlberg")
    except SystemExit as end:
        code = end.code
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # or Python would try again, and say so
        print_error(f"cannot write: {error.strerror}")
        code = Exit.ERROR
    sys.stderr.flush()
    if threading.active_count() > 1:
        # A model that was left behind at a deadline or Ctrl-C may still be computing. Python would end while
        # it does, and the native code under it would abort; what matters (files, child processes) is closed
        # by now.
        os._exit(code if isinstance(code, int) else Exit.ERROR)
    sys.exit(code)  # type: ignore[arg-type]
