"""The report of an improvement run, for people: one HTML file with tables and plots, complete in itself.

Read from the run folder alone: `report.json`, the log of each round's training, its preferences.
"""

from __future__ import annotations

import html
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...errors import SqlbergError
from ..evaluation.intervals import wilson
from ..rows import read_rows
from ..trainer import LOG

HTML = "report.html"
CHOSEN, REJECTED, OTHER = "#1b6ca8", "#c8553d", "#7a7a7a"
"""Told apart by people who see no red, too."""

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:80rem;margin:2rem auto;padding:0 1rem;color:#222;
background:#fff}table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .8rem;text-align:right;
border-bottom:1px solid #ddd}td:last-child,th:last-child{text-align:left;min-width:14rem}
svg{max-width:100%;height:auto}
@media (prefers-color-scheme:dark){body{color:#ddd;background:#1b1b1b}td,th{border-color:#444}
svg{background:#fff}}"""

Row = dict[str, Any]


def write_report(folder: Path) -> Path:
    """Write `report.html` of a run. Raises `SqlbergError` where the folder holds no run."""
    try:
        told = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SqlbergError(f"{folder} holds no report.json: name the folder of a run") from error
    rounds: list[Row] = told["rounds"]
    logs = {one["number"]: _log(folder / f"round-{one['number']}" / "train" / LOG) for one in rounds}
    parts = [
        f"<h1>Improvement of {_text(told['learner'])}</h1>",
        f"<p>{_text(_summary(told))}</p>",
        _table(rounds),
    ]
    if any(one["measured"] for one in rounds):
        parts += ["<h2>Right on held-out questions</h2>", _picture(lambda axes: _held_out(axes, rounds), 7)]
    parts += ["<h2>Annotations</h2>", _picture(lambda axes: _verdicts(axes, rounds), 7)]
    for number, log in logs.items():
        if log:
            parts += [f"<h2>Training, round {number}</h2>", _curves(log)]
    parts += ["<h2>Gaps of the pairs</h2>", _picture(lambda axes: _gaps(axes, folder, rounds), 7)]
    parts += ["<h2>Settings</h2>", f"<pre>{_text(json.dumps(told['plan'], indent=1))}</pre>"]
    head = f"<meta charset=utf-8><title>sqlberg improve</title><style>{STYLE}</style>"
    page = f"<!doctype html><html lang=en>{head}"
    file = folder / HTML
    partial = file.with_suffix(".partial")
    partial.write_text(page + "\n".join(parts) + "</html>\n", encoding="utf-8")
    partial.replace(file)
    return file


def _summary(told: Row) -> str:
    if not any(one["measured"] for one in told["rounds"]):
        return "No questions were held out, so no adapter was put to use by itself."
    if not told["adapter"]:
        return "No adapter answers more held-out questions beyond chance: the model stays as it was."
    return f"In use: {told['adapter']}."


def _table(rounds: Sequence[Row]) -> str:
    heads = (
        "round", "questions", "preferred", "ties", "abstained", "true, %", "pairs", "moved, %", "held out",
        "before, %", "after, %", "gate",
    )  # fmt: skip
    rows = []
    for one in rounds:
        verdicts, measured = one["verdicts"], one["measured"]
        true = f"{100 * one['true'] / one['told_apart']:.1f}" if one["told_apart"] else ""
        figures = ("", "", "")
        if measured:
            figures = (
                str(measured["questions"]),
                _with_interval(measured["before"], measured["questions"]),
                _with_interval(measured["after"], measured["questions"]),
            )
        rows.append(
            (
                one["number"], one["questions"], verdicts.get("preferred", 0), verdicts.get("tie", 0),
                verdicts.get("abstained", 0), true, one["pairs"], f"{100 * one['moved']:.1f}", *figures,
                ("kept: " if one["kept"] else "not kept: ") + one["reason"],
            )
        )  # fmt: skip
    head = "".join(f"<th>{_text(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{_text(str(c))}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _with_interval(right: int, questions: int) -> str:
    low, high = wilson(right, questions)
    return f"{100 * right / questions:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _held_out(axes: Any, rounds: Sequence[Row]) -> None:
    measured = [one for one in rounds if one["measured"]]
    numbers = [one["number"] for one in measured]
    for key, colour in (("before", OTHER), ("after", CHOSEN)):
        shares, lows, highs = [], [], []
        for one in measured:
            right, all_ = one["measured"][key], one["measured"]["questions"]
            low, high = wilson(right, all_)
            shares.append(100 * right / all_)
            lows.append(100 * (right / all_ - low))
            highs.append(100 * (high - right / all_))
        axes.errorbar(numbers, shares, yerr=[lows, highs], fmt="o-", capsize=4, color=colour, label=key)
    axes.set(xlabel="round", ylabel="right, %", xticks=numbers)
    axes.legend()


def _verdicts(axes: Any, rounds: Sequence[Row]) -> None:
    asked = [one for one in rounds if one["verdicts"]]
    bottom = [0] * len(asked)
    for verdict, colour in (("preferred", CHOSEN), ("tie", OTHER), ("abstained", REJECTED)):
        counts = [one["verdicts"].get(verdict, 0) for one in asked]
        axes.bar([str(one["number"]) for one in asked], counts, bottom=bottom, color=colour, label=verdict)
        bottom = [a + b for a, b in zip(bottom, counts, strict=True)]
    axes.set(xlabel="round", ylabel="questions")
    if asked:
        axes.legend()


def _gaps(axes: Any, folder: Path, rounds: Sequence[Row]) -> None:
    """How sure the annotations are, by round."""
    for one in rounds:
        file = folder / f"round-{one['number']}" / "preferences.jsonl"
        if not file.exists():
            continue
        margins = [
            float(row["margin"])
            for row in read_rows(file, dict).rows
            if row.get("margin") is not None and row.get("source") != "person"
        ]
        if margins:
            axes.hist(margins, bins=30, histtype="step", label=f"round {one['number']}")
    axes.set(xlabel="margin of the annotation, log-odds", ylabel="pairs")
    if axes.get_legend_handles_labels()[0]:
        axes.legend()


def _curves(log: Sequence[Row]) -> str:
    """What training showed, step by step."""
    steps = [row["step"] for row in log]

    def draw(axes: Any) -> None:
        loss, levels, margins = axes
        loss.plot(steps, [row["loss"] for row in log], color=OTHER)
        loss.set(title="loss", xlabel="step")
        for key, colour in (("chosen", CHOSEN), ("rejected", REJECTED)):
            levels.plot(steps, [row[key] for row in log], color=colour, label=key)
        levels.set(title="log-probability of a token", xlabel="step")
        levels.legend()
        margins.plot(steps, [row["margin"] for row in log], color=CHOSEN)
        margins.set(title="margin; right, % (grey)", xlabel="step")
        shares = margins.twinx()
        shares.plot(steps, [100 * row["accuracy"] for row in log], color=OTHER, alpha=0.5)
        shares.set_ylim(0, 105)

    return _picture(draw, 12, columns=3)


def _picture(draw: Callable[[Any], None], width: float, columns: int = 1) -> str:
    """What `draw` draws, as SVG."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 3.2), layout="constrained")
    FigureCanvasSVG(figure)
    draw(figure.subplots(1, columns))
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def _log(file: Path) -> list[Row]:
    return list(read_rows(file, dict).rows) if file.exists() else []


def _text(text: str) -> str:
    return html.escape(text)
