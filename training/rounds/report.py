"""The report of an improvement run, for people: one HTML file with tables and plots, complete in itself.

Read from the run folder alone: `report.json`, the log of each round's training, its preferences.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import SqlbergError
from ..curves import CHOSEN, OTHER, REJECTED, curves, picture, rows_of
from ..evaluation.intervals import wilson
from ..trainer import LOG
from .learning import MOVES, PREFERENCES

HTML = "report.html"

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
    logs = {one["number"]: rows_of(folder / f"round-{one['number']}" / "train" / LOG) for one in rounds}
    parts = [
        f"<h1>Improvement of {_text(told['learner'])}</h1>",
        f"<p>{_text(_summary(told))}</p>",
        _table(rounds),
    ]
    if any(one["measured"] for one in rounds):
        parts += ["<h2>Right on held-out questions</h2>", picture(lambda axes: _held_out(axes, rounds), 7)]
    parts += ["<h2>Annotations</h2>", picture(lambda axes: _verdicts(axes, rounds), 7)]
    for number, log in logs.items():
        if log:
            parts += [f"<h2>Training, round {number}</h2>", curves(log)]
        moves = rows_of(folder / f"round-{number}" / MOVES)
        if moves:
            parts += [f"<h3>The follower, round {number}</h3>", picture(partial(_moves, moves=moves), 7)]
    parts += ["<h2>Margins of the annotations</h2>", picture(lambda axes: _margins(axes, folder, rounds), 7)]
    parts += ["<h2>Settings</h2>", f"<pre>{_text(json.dumps(told['plan'], indent=1))}</pre>"]
    head = f"<meta charset=utf-8><title>sqlberg improve</title><style>{STYLE}</style>"
    page = f"<!doctype html><html lang=en>{head}"
    file = folder / HTML
    unfinished = file.with_suffix(".partial")
    unfinished.write_text(page + "\n".join(parts) + "</html>\n", encoding="utf-8")
    unfinished.replace(file)
    return file


def overview(folder: Path) -> str:
    """What the rounds of a run have come to so far, as SVG: verdicts, gaps and moves of the newest round,
    right answers on held-out questions; "" before the first has ended.
    """
    try:
        rounds: list[Row] = json.loads((folder / "report.json").read_text(encoding="utf-8"))["rounds"]
    except (OSError, ValueError, KeyError):
        return ""
    if not rounds:
        return ""

    def draw(axes: Any) -> None:
        verdicts, gaps, held_out = axes
        _verdicts(verdicts, rounds)
        verdicts.set(title="annotations")
        _moves(gaps, rows_of(folder / f"round-{rounds[-1]['number']}" / MOVES))
        gaps.set(title=f"the follower, round {rounds[-1]['number']}")
        _held_out(held_out, rounds)
        held_out.set(title="on held-out questions")

    return picture(draw, 12, columns=3)


def _summary(told: Row) -> str:
    if not any(one["measured"] for one in told["rounds"]):
        return "No questions were held out, so no adapter was put to use by itself."
    if not told["adapter"]:
        return "No adapter answers more held-out questions beyond chance: the model stays as it was."
    return f"In use: {told['adapter']}."


def _table(rounds: Sequence[Row]) -> str:
    heads = (
        "round", "questions", "preferred", "ties", "abstained", "agreed, %", "true, %", "pairs", "tokens",
        "moved, %", "held out", "before, %", "after, %", "gate",
    )  # fmt: skip
    rows = []
    for one in rounds:
        verdicts, measured = one["verdicts"], one["measured"]
        true = f"{100 * one['true'] / one['told_apart']:.1f}" if one["told_apart"] else ""
        agreed = f"{100 * one['agreed'] / one['judged_twice']:.1f}" if one["judged_twice"] else ""
        tokens = " / ".join(f"{one[side + '_tokens']:.0f}" for side in ("chosen", "rejected"))
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
                verdicts.get("abstained", 0), agreed, true, one["pairs"], tokens, f"{100 * one['moved']:.1f}",
                *figures,
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
    if measured:
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


def _margins(axes: Any, folder: Path, rounds: Sequence[Row]) -> None:
    """How sure the annotations are, by round."""
    for one in rounds:
        margins = [
            float(row["margin"])
            for row in rows_of(folder / f"round-{one['number']}" / PREFERENCES)
            if row.get("margin") is not None and row.get("source") != "person"
        ]
        if margins:
            axes.hist(margins, bins=30, histtype="step", label=f"round {one['number']}")
    axes.set(xlabel="margin of the annotation, log-odds", ylabel="pairs")
    if axes.get_legend_handles_labels()[0]:
        axes.legend()


def _moves(axes: Any, moves: Sequence[Row]) -> None:
    """The gaps of a round's pairs as training began, and whom the follower moved."""
    stayed = [row["gap"] for row in moves if row["moved"] < 0.5]
    moved = [row["gap"] for row in moves if row["moved"] >= 0.5]
    axes.hist([stayed, moved], bins=30, stacked=True, color=[CHOSEN, REJECTED], label=["stayed", "moved"])
    axes.set(xlabel="gap of the pair as training began", ylabel="pairs")
    axes.legend()


def _text(text: str) -> str:
    return html.escape(text)
