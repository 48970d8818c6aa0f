"""Pictures of training: what each step showed, drawn as SVG from its log."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .rows import read_rows

CHOSEN, REJECTED, OTHER = "#1b6ca8", "#c8553d", "#7a7a7a"
"""Told apart by people who see no red, too."""

FEW = 30
Row = dict[str, Any]


def draw_curves(log: Path, file: Path) -> Path | None:
    """Write the curves of a log; None where matplotlib is not installed or the log is empty."""
    rows = rows_of(log)
    if not rows or not find_spec("matplotlib"):  # a machine that only trains may do without pictures
        return None
    file.write_text(curves(rows), encoding="utf-8")
    return file


def curves(log: Sequence[Row]) -> str:
    """Loss, levels and margins by step, as SVG. log: `Step`s."""
    steps = [row["step"] for row in log]
    dots = "." if len(log) < FEW else ""  # a line through one step is not seen

    def draw(axes: Any) -> None:
        loss, levels, margins = axes
        loss.plot(steps, [row["loss"] for row in log], marker=dots, color=OTHER)
        loss.set(title="loss", xlabel="step")
        for key, colour in (("chosen", CHOSEN), ("rejected", REJECTED)):
            levels.plot(steps, [row[key] for row in log], marker=dots, color=colour, label=key)
        levels.set(title="log-probability of a token", xlabel="step")
        levels.legend()
        margins.plot(steps, [row["margin"] for row in log], marker=dots, color=CHOSEN)
        margins.set(title="margin; right, % (grey)", xlabel="step")
        shares = margins.twinx()
        shares.plot(steps, [100 * row["accuracy"] for row in log], marker=dots, color=OTHER, alpha=0.5)
        shares.set_ylim(0, 105)

    return picture(draw, 12, columns=3)


def picture(
    draw: Callable[[Any], None], width: float, columns: int = 1, *, rows: int = 1, background: str = ""
) -> str:
    """What `draw` draws on its axes, as SVG. width: in inches. rows: where there are several, all have the
    same scales. background: its colour; without one, the picture is transparent.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 3.2 * rows), layout="constrained", facecolor=background or "white")
    FigureCanvasSVG(figure)
    draw(figure.subplots(rows, columns, sharex=rows > 1, sharey=rows > 1))
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None}, transparent=not background)
    return text.getvalue()[text.getvalue().index("<svg") :]


def rows_of(file: Path) -> list[Row]:
    """The rows of a JSONL file; none where there is no file."""
    return list(read_rows(file, lambda row, _: dict(row)).rows) if file.exists() else []
