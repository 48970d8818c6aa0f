"""Preferences, and trajectories to imitate, in the formats that others read and write.

| format | a row |
| --- | --- |
| `sqlberg` | TRL's, with id, db_id, source, probability, margin and reasons beside it |
| `trl` | `prompt`, `chosen`, `rejected`: messages or text; without a prompt, whole dialogues |
| `openai` | `input.messages`, `preferred_output`, `non_preferred_output`; a call's arguments are JSON text |
| a trajectory | `messages`, or TRL's `prompt` and `completion` |

Each in JSON Lines or, by the file's ending, Parquet (`rows.py`). Which format a row is in is seen from its
fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SqlbergError
from .preferences import Lesson, Message, Preference, Trajectory
from .rows import Read, read_rows, write_rows

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from ..agents.answer import Answer

Row = dict[str, Any]


def read_preferences(path: str | Path) -> Read[Preference]:
    """The preferences of a file in any of the formats, and the lines set aside.

    Raises `SqlbergError` where the file cannot be read or holds no valid preference.
    """
    read = read_rows(path, lambda row, _: preference_of(row))
    if not read.rows:
        raise SqlbergError(_nothing(path, "preference", read))
    return read


def read_lessons(path: str | Path) -> Read[Lesson]:
    """Preferences or trajectories, whatever the rows of a file are, and the lines set aside.

    Raises `SqlbergError` where the file cannot be read or holds neither.
    """
    read = read_rows(path, lambda row, _: lesson_of(row))
    if not read.rows:
        raise SqlbergError(_nothing(path, "preference or trajectory", read))
    return read


def write_preferences(path: str | Path, preferences: Iterable[Preference], format: str = "sqlberg") -> Path:
    """Write preferences in one of `FORMATS`. Raises `SqlbergError`."""
    if format not in FORMATS:
        raise SqlbergError(f"there is no format {format!r}: choose one of {', '.join(FORMATS)}")
    return write_rows(path, map(FORMATS[format], preferences))


def preference_of(row: Mapping[str, Any]) -> Preference:
    """A preference from a row in any of the formats. Raises ValueError."""
    row = {name: value for name, value in row.items() if value is not None}
    if "preferred_output" in row:
        given = row.get("input")
        if not isinstance(given, Mapping):
            raise ValueError("input: an object with messages is missing")
        own = {name: row[name] for name in OWN if name in row}
        return Preference.model_validate(
            own
            | {
                "prompt": given.get("messages", ()),
                "tools": given.get("tools") or (),
                "chosen": row["preferred_output"],
                "rejected": row.get("non_preferred_output", ()),
            }
        )
    if "chosen" not in row or "rejected" not in row:
        raise ValueError("chosen and rejected (or OpenAI's preferred_output) are missing")
    row["chosen"], row["rejected"] = _messages(row["chosen"]), _messages(row["rejected"])
    if "prompt" in row:
        row["prompt"] = _messages(row["prompt"], role="user")
    else:
        row["prompt"], row["chosen"], row["rejected"] = _split(row["chosen"], row["rejected"])
    row["tools"] = row.get("tools") or ()
    return Preference.model_validate(row)


def lesson_of(row: Mapping[str, Any]) -> Lesson:
    """A trajectory from a row of messages, or of prompt and completion; else a preference. Raises
    ValueError.
    """
    row = {name: value for name, value in row.items() if value is not None}
    if "messages" not in row and "completion" not in row:
        return preference_of(row)
    if "messages" in row:
        messages = row["messages"]
        if not isinstance(messages, list):
            raise ValueError("messages: no list")
        asked = [n for n, m in enumerate(messages) if isinstance(m, dict) and m.get("role") == "user"]
        if not asked:
            raise ValueError("messages: no question of a user")
        row["prompt"], row["response"] = messages[: asked[-1] + 1], messages[asked[-1] + 1 :]
    else:
        row["prompt"] = _messages(row.get("prompt", ()), role="user")
        row["response"] = _messages(row["completion"])
    row["tools"] = row.get("tools") or ()
    return Trajectory.model_validate(row)


def chat_messages(messages: Iterable[BaseMessage]) -> list[Message]:
    """A dialogue of the agent (`Answer.messages`) as checked messages."""
    from ..models.chat_template import as_row

    return [Message.model_validate(as_row(message)) for message in messages]


def parted(answer: Answer) -> tuple[list[Message], list[Message]]:
    """An answer's dialogue up to its question, and what came after it: also what the agent told a model that
    made no call, which is a user's message as well.
    """
    messages = chat_messages(answer.messages)
    users = [place for place, message in enumerate(messages) if message.role == "user"]
    asked = [place for place in users if messages[place].content.strip() == answer.question.strip()]
    end = max(asked or users, default=-1) + 1
    return messages[:end], messages[end:]


def to_trl(preference: Preference) -> Row:
    """TRL's conversational preference, with the tools."""
    row: Row = {
        "prompt": _plain(preference.prompt),
        "chosen": _plain(preference.chosen),
        "rejected": _plain(preference.rejected),
    }
    return row | ({"tools": list(preference.tools)} if preference.tools else {})


def to_sqlberg(preference: Lesson) -> Row:
    """TRL's, and all else that is known; a trajectory as messages."""
    if isinstance(preference, Trajectory):
        prompt, response = _plain(preference.prompt), _plain(preference.response)
        whole: Row = {"messages": [*prompt, *response]}
        if any(message.role == "user" for message in preference.response):
            whole = {"prompt": prompt, "completion": response}  # messages are parted at the last question
        about = {"tools": list(preference.tools), "id": preference.id, "db_id": preference.db_id}
        return whole | {name: value for name, value in about.items() if value}
    own = preference.model_dump(mode="json", include=set(OWN))
    return to_trl(preference) | {name: value for name, value in own.items() if value not in ("", None, [])}


def to_openai(preference: Preference) -> Row:
    """OpenAI's preference fine-tuning format."""
    return {
        "input": {
            "messages": [message.wired() for message in preference.prompt],
            "tools": list(preference.tools),
        },
        "preferred_output": [message.wired() for message in preference.chosen],
        "non_preferred_output": [message.wired() for message in preference.rejected],
    }


def _nothing(path: str | Path, kind: str, read: Read[Any]) -> str:
    first = f" (line {read.bad[0].number}: {read.bad[0].reason})" if read.bad else ", it is empty"
    return f"{path} holds no valid {kind}{first}"


OWN = ("id", "db_id", "source", "probability", "margin", "reasons")
FORMATS: Mapping[str, Callable[[Preference], Row]] = {
    "sqlberg": to_sqlberg,
    "trl": to_trl,
    "openai": to_openai,
}


def _plain(messages: Sequence[Message]) -> list[Row]:
    return [message.plain() for message in messages]


def _messages(value: Any, role: str = "assistant") -> Any:
    """Plain text is one message."""
    return [{"role": role, "content": value}] if isinstance(value, str) else value


def _split(chosen: Any, rejected: Any) -> tuple[Any, Any, Any]:
    """The prompt that two whole dialogues begin with, up to its last question, and what is left of each."""
    if not isinstance(chosen, list) or not isinstance(rejected, list):
        raise ValueError("prompt: it is missing, and chosen and rejected are no lists of messages")
    same = 0
    while same < min(len(chosen), len(rejected)) and chosen[same] == rejected[same]:
        same += 1
    asked = [n for n in range(same) if isinstance(chosen[n], dict) and chosen[n].get("role") == "user"]
    if not asked:
        raise ValueError("prompt: it is missing, and chosen and rejected do not begin with the same question")
    end = asked[-1] + 1
    return chosen[:end], chosen[end:], rejected[end:]
