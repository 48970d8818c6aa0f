"""The embedded model as a LangChain chat model: it takes a dialogue and gives the next message, like any
other.

What it says next follows from the messages alone (`reading`): `turns` makes the moves that are fixed, the
network writes what to look up and which SQL to run. Every token's log-probability is in
`response_metadata["logprobs"]["content"]`, OpenAI's shape, and how sure it is of its SQL in "confidence".
Not covered: talk about anything but the database.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import Field, PrivateAttr

from . import turns
from .computing import compute
from .confidence import Confidence, load_confidence, load_threshold, log_probability
from .decoding import Sketch
from .follow_up import in_context
from .grammar import Query, SketchError, parse
from .items import Item
from .once import Once
from .reading import Situation, read_dialogue
from .sql_writer import SqlWriter, UnconnectedTables
from .weights import SHIPPED, load_members, load_weights

if TYPE_CHECKING:
    from .network import SketchNetwork
    from .prompt import Prompt

REFUSE_ABOVE = 0.5
"""How likely it must be that the database holds no answer."""
TOOLS = frozenset({"search_column", "search_value", "find_shortest_path", "execute_sql"})
WORDED_TURNS = {"lookup": turns.look_up, "search": turns.search_again, "refuse": turns.refuse}
NO_COLUMNS = "I found no column in this database that the question speaks of, so I cannot answer it."
NO_SKETCH = "I found nothing in this database from which the question could be answered."
NO_QUERY = "None of the queries I could think of ran; the last step says why."
NO_TOOLS = "I answer questions over a database with its four tools; they were not given to me here."


class EmbeddedChatModel(BaseChatModel):
    """The model that ships in the package. Thread-safe.

    folder: the weights; adapter: a folder made by `sqlberg fit`, `train` or `improve`, merged into them;
    members: of a masked adapter's ensemble, which answers as one (0: its mean, in a single pass). beams: how
    many sketches are kept in mind; the best runs first, the others after errors. temperature, seed: above 0
    the sketch is sampled, reproducibly. Called with `candidate` k of `candidates`, it begins with its k-th
    best sketch instead (0: the best). calibrated: how sure it says it is follows the curve kept with the
    weights.
    """

    folder: Path = SHIPPED
    adapter: Path | None = None
    members: int = 0
    beams: int = 4
    temperature: float = Field(default=0.0, ge=0)
    seed: int | None = Field(default=None, ge=0)
    calibrated: bool = True
    _sketched: Once[tuple[Sketch, ...]] = PrivateAttr(default_factory=Once)

    @property
    def abstain_below(self) -> float:
        """The confidence below which an answer is better withheld."""
        return load_threshold(self.folder)

    @property
    def _llm_type(self) -> str:
        return "sqlberg-embedded"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": "embedded", "beams": self.beams}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with the tools it may call; it knows the four database tools by their names."""
        names = [tool.name if isinstance(tool, BaseTool) else _tool_name(tool) for tool in tools]
        return self.bind(tools=names, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        tools: Sequence[str] = (),
        temperature: float | None = None,
        seed: int | None = None,
        candidate: int = 0,
        candidates: int = 1,
        **kwargs: Any,
    ) -> ChatResult:
        heat = self.temperature if temperature is None else temperature
        sampling = _Sampling(
            heat=0.0 if candidates > 1 else heat,
            seed=self.seed if seed is None else seed,
            beams=max(self.beams, candidates),
            first=candidate,
        )
        situation = in_context(read_dialogue(messages))
        turn, sketch, read = self._turn(situation, frozenset(tools), sampling)
        curve = load_confidence(self.folder) if self.calibrated else None
        return ChatResult(
            generations=[ChatGeneration(message=_message(turn, sketch, read, curve, len(messages)))]
        )

    def _turn(
        self, situation: Situation, tools: frozenset[str], sampling: _Sampling
    ) -> tuple[turns.Turn, Sketch | None, int]:
        """The next turn, the sketch it came from, and how many tokens were read for it."""
        if "execute_sql" not in tools:
            return turns.Turn(NO_TOOLS), None, 0
        if not situation.called("search_column"):
            return turns.search_columns(situation), None, 0
        if not any(column.type for column in situation.columns):
            return turns.Turn(NO_COLUMNS), None, 0
        executed = situation.called("execute_sql")
        if executed and turns.ran(situation.observations[-1]):
            return turns.conclude(situation), None, 0
        if len(executed) >= turns.MAX_TRIES:
            return turns.Turn(NO_QUERY), None, 0
        open_turns = ["execute"]
        if not executed:
            open_turns.append("refuse")
            if len(situation.called("search_column")) == 1:
                open_turns.append("search")
            if "search_value" in tools and not situation.called("search_value"):
                open_turns.append("lookup")
        try:
            sketches, read = self._sketches(situation, open_turns, sampling)
        except SketchError:
            return turns.Turn(NO_SKETCH), None, 0
        return (*self._pick(situation, sketches, tools, len(executed)), read)

    def _pick(
        self, situation: Situation, sketches: Sequence[Sketch], tools: frozenset[str], tries: int
    ) -> tuple[turns.Turn, Sketch | None]:
        """The turn of the first sketch that can be carried out and was not tried yet."""
        tried = {arguments.get("sql") for tool, arguments in situation.calls if tool == "execute_sql"}
        types = {(c.table, c.name): c.type for c in situation.columns}
        writer = SqlWriter(dialect=situation.dialect, joins=situation.joins, types=types)
        for sketch in sketches:
            tree = parse(sketch.tokens)
            if not isinstance(tree, Query):
                return WORDED_TURNS[str(sketch.tokens[0])](situation, tree), sketch
            path = turns.find_join(situation, writer, tree) if "find_shortest_path" in tools else None
            if path:
                return path, sketch
            try:
                sql = writer.write(tree)
            except UnconnectedTables:
                continue
            if sql not in tried:
                return turns.execute(tree, sql, tries), sketch
        return turns.Turn(NO_QUERY if tries else NO_SKETCH), None

    def _sketches(
        self, situation: Situation, open_turns: Sequence[str], sampling: _Sampling
    ) -> tuple[Sequence[Sketch], int]:
        """The sketches to try, in this order, and how many tokens were read for them."""
        if self.members:
            network, writer = load_members(self.folder, self.adapter, self.members)
        else:
            network, writer = load_weights(self.folder, self.adapter)
        prompt = writer.write(situation)
        rows = [prompt] * max(1, self.members)

        def work() -> tuple[Sketch, ...]:
            return tuple(compute(lambda: _written(network, rows, open_turns, sampling)))

        key = (self.folder, prompt.key, *open_turns, sampling.beams)
        sketches = work() if sampling.heat > 0 else self._sketched.get(key, work)
        if sketches and sketches[0].tokens[0] == "execute":
            sketches = sketches[min(sampling.first, len(sketches) - 1) :]
        return sketches, len(prompt.pieces)


@dataclass(frozen=True)
class _Sampling:
    """How sketches are drawn: the best `beams`, from the `first` on; before them a sample if `heat` > 0."""

    heat: float
    seed: int | None
    beams: int
    first: int


def _written(
    network: SketchNetwork, rows: Sequence[Prompt], open_turns: Sequence[str], sampling: _Sampling
) -> list[Sketch]:
    """rows: the prompt, once for each member of an ensemble."""
    import torch

    from .decoding import judged, turn_probabilities, write_sketches
    from .tensors import prompt_tensors

    prompt, memory = rows[0], prompt_tensors(rows).read(network)
    # What to look up or search is not a matter of chance: the sampling is for the SQL.
    chances = turn_probabilities(network, memory, open_turns)
    turn = max(open_turns, key=lambda name: chances[name])
    if turn != "execute" and (turn != "refuse" or chances[turn] > REFUSE_ABOVE):
        return write_sketches(network, memory, prompt, turn=turn)
    best = judged(
        network, memory, write_sketches(network, memory, prompt, beams=sampling.beams, turn="execute")
    )
    if sampling.heat <= 0:
        return best
    generator = torch.Generator().manual_seed(sampling.seed) if sampling.seed is not None else None
    sampled = write_sketches(
        network, memory, prompt, turn="execute", temperature=sampling.heat, generator=generator
    )
    return [*judged(network, memory, sampled), *best]


def _message(
    turn: turns.Turn, sketch: Sketch | None, read: int, curve: Confidence | None, place: int
) -> AIMessage:
    spoken = len(turn.thought.split())
    written = len(sketch.tokens) if sketch else spoken
    metadata: dict[str, Any] = {
        "model_name": "embedded",
        "finish_reason": "tool_calls" if turn.tool else "stop",
    }
    if sketch:
        content = [
            {"token": token.text if isinstance(token, Item) else token, "logprob": logprob}
            for token, logprob in zip(sketch.tokens, sketch.logprobs, strict=True)
        ]
        metadata["logprobs"] = {"content": content}
        if turn.tool == "execute_sql" and sketch.odds is not None:
            told = log_probability(sketch.odds)
            metadata["confidence"] = curve.of(told) if curve else math.exp(told)
    call = {
        "name": turn.tool,
        "args": turn.arguments,
        "id": f"call_{zlib.crc32(repr((place, turn.tool, turn.arguments)).encode()):08x}",
        "type": "tool_call",
    }
    return AIMessage(
        content=turn.thought,
        tool_calls=[call] if turn.tool else [],
        response_metadata=metadata,
        usage_metadata={"input_tokens": read, "output_tokens": written, "total_tokens": read + written},
    )


def _tool_name(tool: Any) -> str:
    if isinstance(tool, dict):
        return tool.get("function", tool).get("name", "")
    return getattr(tool, "__name__", "")
