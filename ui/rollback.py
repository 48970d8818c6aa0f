"""`sqlberg rollback`: back to what was in use before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import out, plain_text, print_json
from .options import JsonOption


def rollback(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder of `sqlberg improve`.")],
    as_json: JsonOption = False,
) -> None:
    """Take the adapter in use out of it again, and use the one before (or the model without any).

    Whatever answers with `--model MODEL+RUN` answers so from its next start on. Nothing is deleted.

    Examples:

      sqlberg rollback runs/improve/shop
    """
    from ..models.in_use import roll_back

    adapter = roll_back(run)
    if as_json:
        print_json({"adapter": str(adapter or "")})
    else:
        text = f"In use again: {adapter}" if adapter else "In use again: the model without an adapter"
        out().print(plain_text(text))
