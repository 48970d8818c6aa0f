"""The answer to one question: SQL, rows, words, the steps that led there, how sure it is and what it rests
on.

Plain frozen data. Converts to pandas, pyarrow, Markdown and JSON, and saves itself as a file that `sqlberg
replay` checks (replay.py). Status:
- "answered": the SQL ran, and its result is here: the whole of it unless `cuts` tells of a limit;
- "partial": a budget ended (or the caller cancelled) before the agent was done; the best so far is here;
- "clarify": rival readings of the question gave different results; `text` asks which one, `readings` has
both;
- "abstained": no answer is better than this one; `reason` says why;
- "failed": the model or the database could not be used at all; `reason` says why.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from ..tools.errors import SqlbergError
from ..tools.limits import Cut, counted
from .markdown import code, escape, table

if TYPE_CHECKING:
    import pandas
    import pyarrow
    from langchain_core.messages import BaseMessage

    from ..tools.evidence import JoinEvidence, LiteralEvidence

Status = Literal["answered", "partial", "clarify", "abstained", "failed"]


@dataclass(frozen=True)
class Step:
    """One thought, one tool call, its observation.

    seconds: the model's time and the tool's time together. tokens: what this step added to the dialogue (the
    model's words, and the observation once the model has read it). failed: the observation is an error or a
    refusal.
    """

    thought: str
    tool: str
    arguments: Mapping[str, Any]
    observation: str
    seconds: float = 0.0
    tokens: int = 0
    failed: bool = False

    @property
    def sql(self) -> str | None:
        """The SQL that this step asked to run, if any."""
        sql = self.arguments.get("sql") if self.tool == "execute_sql" else None
        return sql if isinstance(sql, str) else None


@dataclass(frozen=True)
class Tokens:
    """Tokens of one question. `new` counts each token once, however many rounds sent it again.

    prompt: instructions, database and question as first sent. dialogue: everything after it that the model
    read or wrote. sent: all prompt tokens of all rounds together, as a vendor without a prefix cache bills
    them. generated: what the model wrote. estimated: the model did not count, these are characters / 4.
    """

    prompt: int = 0
    dialogue: int = 0
    sent: int = 0
    generated: int = 0
    estimated: bool = False

    @property
    def new(self) -> int:
        return self.prompt + self.dialogue

    def __add__(self, other: Tokens) -> Tokens:
        """Of two runs together."""
        return Tokens(
            self.prompt + other.prompt,
            self.dialogue + other.dialogue,
            self.sent + other.sent,
            self.generated + other.generated,
            self.estimated or other.estimated,
        )


@dataclass(frozen=True)
class Logprob:
    """Log-probability of the message that held the answer's SQL: the sum over its tokens, and how many.

    sureness: the probability of being right that the model itself makes of it, if it does.
    """

    total: float
    tokens: int
    sureness: float | None = None

    @property
    def mean(self) -> float:
        return self.total / max(1, self.tokens)


@dataclass(frozen=True)
class Origin:
    """What the answer was computed on, enough to notice later that it has changed.

    schema: table -> column -> declared type, of the tables that the SQL reads. schema_fingerprint: of that
    and of the keys between them. policy: digest of the access policy. limits: of each query, by name. model:
    the reference the agent was given. looked_up: whether literals and joins were.
    """

    database: str = ""
    dialect: str = ""
    tables: tuple[str, ...] = ()
    schema: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    schema_fingerprint: str = ""
    policy: str = ""
    limits: Mapping[str, float] = field(default_factory=dict)
    model: str = ""
    looked_up: bool = False


@dataclass(frozen=True)
class Reading:
    """One way to understand the question: its SQL, its result, how many candidates agreed, their share of the
    vote.
    """

    sql: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    votes: int
    share: float
    text: str = ""
    cuts: tuple[Cut, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What `SqlAgent.ask` returns.

    sql: the last statement that ran without error ("" when none did). rows: its rows, in the database's
    order. ordered: the statement orders its rows. confidence: 0 to 1, None when nothing is known of it.
    support: 1, less by what the data and the question say against the SQL (confidence.py).
    reason: why not "answered", or what to keep in mind. cuts: every limit that shortened the result.
    evidence: each literal and join of the SQL and what it rests on; str() of one is a line. notes: join
    health. readings: rival readings, best first. tried: how many candidates were run. messages: the whole
    dialogue with the system prompt first, unchanged a training example.
    """

    question: str
    sql: str = ""
    columns: tuple[str, ...] = ()
    rows: Sequence[tuple[Any, ...]] = ()
    text: str = ""
    steps: tuple[Step, ...] = ()
    confidence: float | None = None
    support: float = 1.0
    status: Status = "answered"
    reason: str = ""
    types: tuple[str, ...] = ()
    cuts: tuple[Cut, ...] = ()
    ordered: bool = False
    evidence: tuple[LiteralEvidence | JoinEvidence, ...] = ()
    notes: tuple[str, ...] = ()
    readings: tuple[Reading, ...] = ()
    tried: int = 1
    seconds: float = 0.0
    tokens: Tokens = field(default_factory=Tokens)
    logprob: Logprob | None = None
    origin: Origin = field(default_factory=Origin)
    thread_id: str | None = None
    messages: tuple[BaseMessage, ...] = field(default=(), repr=False, compare=False)

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a DataFrame. Needs pandas (`pip install 'sqlberg[pandas]'`)."""
        try:
            import pandas
        except ImportError:
            raise SqlbergError("to_pandas needs pandas: pip install 'sqlberg[pandas]'") from None
        return pandas.DataFrame.from_records([tuple(row) for row in self.rows], columns=list(self.columns))

    def to_arrow(self) -> pyarrow.Table:
        """The rows as a pyarrow Table. A column whose values share no Arrow type becomes text."""
        import pyarrow

        arrays = [_arrow_array([row[i] for row in self.rows]) for i in range(len(self.columns))]
        return pyarrow.Table.from_arrays(arrays, names=list(self.columns))

    def to_markdown(self, *, rows: int = 50) -> str:
        """Question, words, result (at most `rows` rows), SQL and what to keep in mind, as inert Markdown."""
        parts = [f"**{escape(self.question)}**"]
        if self.text:
            parts.append(escape(self.text))
        if self.columns:
            parts.append(table(self.columns, self.rows[:rows]))
        if len(self.rows) > rows:
            parts.append(f"*first {rows} of {counted(len(self.rows), self.cuts)} rows*")
        if self.sql:
            parts.append(code(self.sql, "sql"))
        remarks = [self.reason, *(str(cut) for cut in self.cuts), *self.notes]
        if any(remarks):
            parts.append("\n".join(f"- {escape(remark)}" for remark in remarks if remark))
        return "\n\n".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the raw messages, as values that JSON knows."""
        return {
            item.name: plain(getattr(self, item.name))
            for item in dataclasses.fields(self)
            if item.name != "messages"
        }

    def to_json(self, *, indent: int | None = None) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)

    def save(self, path: str | Path) -> Path:
        """Write a file that `replay(path, database)` checks; returns its path. See replay.py for what it
        holds.
        """
        from .replay import save

        return save(self, path)


def plain(value: Any) -> Any:
    """`value` as JSON knows it: dates as ISO text, decimals as numbers, bytes as hex, NaN and infinities as
    text.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        whole = value.is_finite() and value == value.to_integral_value() and abs(value) < 10**15
        return int(value) if whole else plain(float(value))
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (timedelta, UUID, Path)):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (Sequence, set, frozenset)):
        return [plain(item) for item in value]
    return str(value)


def _arrow_array(values: list[Any]) -> pyarrow.Array:
    import pyarrow

    try:
        return pyarrow.array(values)
    except (pyarrow.ArrowException, TypeError, OverflowError):
        # SQLite keeps values of any type in one column, integers may be wider than 64 bits, decimals endless.
        texts = [None if value is None else str(plain(value)) for value in values]
        return pyarrow.array(texts, type=pyarrow.string())
