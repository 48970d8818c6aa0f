"""The results of an evaluation on disk: a journal of finished questions, and the summary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from ..journal import Finished, Journal, write_json

RESULTS, SUMMARY = "results.jsonl", "summary.json"


class Record(Finished):
    """One finished question.

    sql: the predicted one ("" for none). runs: it ran, whole. error: why it did not, or what kept the
    question from being answered at all. gold_error: why the gold query did not run, whole.
    scores: by comparator, 0 to 1. ambiguous: why the gold result is not determined. confidence: 0 to 1.
    new_tokens: every token of the dialogue once; prompt_tokens: those of them that the model read;
    sent_tokens: all prompts of all rounds together; all three of all candidates, tool_calls of the chosen one
    alone. seconds: from the question to the answer.
    """

    model_config = ConfigDict(frozen=True)

    db_id: str
    difficulty: str | None = None
    answerable: bool = True
    ambiguous: tuple[str, ...] = ()
    gold_error: str = ""
    sql: str = ""
    status: str = "answered"
    reason: str = ""
    error: str = ""
    runs: bool = False
    scores: dict[str, float]
    confidence: float | None = None
    new_tokens: int = 0
    prompt_tokens: int = 0
    sent_tokens: int = 0
    tool_calls: int = 0
    seconds: float = 0.0


class RunFolder(Journal[Record]):
    """The folder of one evaluation: a journal of its records, and its summary."""

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        super().__init__(path, settings, Record, RESULTS)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        write_json(self.path / SUMMARY, summary)
