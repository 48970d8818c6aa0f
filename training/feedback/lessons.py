"""From what people said to what can be learned: preferences, and dialogues to imitate.

Both sides of a preference are the answer's own dialogue up to the SQL, once with the better and once with the
worse statement: what led there is the same, and what followed was not judged. "Up" without a rival reading
gives a dialogue to imitate; "down" and "neither" say nothing of what would have been better, and count
against what was shown. The same question is often asked by many: what was said of each asking counts
together. Where people disagree, the side of more of them counts, and a draw counts for nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from ..preferences import FunctionCall, Lesson, Message, Messages, Preference, ToolCall, Trajectory
from .store import Asked, Said

Pair = tuple[str, str]
"""The better SQL and the worse; "" for none."""


def lessons(asked: Iterable[Asked], said: Iterable[Said]) -> list[Lesson]:
    """One for each question (`same_question`) that enough was said of, in the order of the questions, with
    the dialogue of its first asking, if possible of those that were judged. One whose dialogue never began
    (the model could not be reached) gives none.
    """
    by_id = {one.id: one for one in asked}
    askings: dict[tuple[str, ...], list[Asked]] = defaultdict(list)
    for one in by_id.values():
        askings[same_question(one)].append(one)
    words: dict[tuple[str, ...], dict[str, Said]] = defaultdict(dict)
    for one in said:
        if one.verdict != "comment" and one.asked in by_id:
            words[same_question(by_id[one.asked])][one.person] = one  # the last word of each
    found = []
    for key, same in askings.items():
        sayings = list(words[key].values())
        pairs = [pair for one in sayings if (pair := pair_of(by_id[one.asked], one))]
        pair = agreed(pairs, Counter(sql for one in sayings for sql in refused(by_id[one.asked], one)))
        judged = {one.asked for one in sayings}
        begun = sorted((one for one in same if one.prompt), key=lambda one: one.id not in judged)
        if pair and begun:
            found.append(_lesson(begun[0], pair, sayings))
    return found


def same_question(asked: Asked) -> tuple[str, ...]:
    """What two have in common that ask the same, whoever asks: database, rights, and the words, but for case
    and blanks. Of a question that goes on a conversation, with the words before it: "And in Chile?" asks
    something else in every one.
    """
    earlier = [message.content for message in asked.prompt if message.role == "user"][:-1]
    texts = (" ".join(text.casefold().split()) for text in (*earlier, asked.question))
    return asked.db_id, asked.rights, *texts


def pair_of(question: Asked, said: Said) -> Pair | None:
    """What a saying holds to be better than what; None where that is not known."""
    rival = next((sql for sql in question.others if sql != question.sql), "")
    match said.verdict:
        case "up" if question.sql:
            return question.sql, rival
        case "down" if question.sql and rival and len(question.others) == 1:
            return rival, question.sql  # of two readings, the other one
        case "corrected" if said.better and said.better != question.sql:
            return said.better, question.sql
        case "preferred" if said.better and said.better != said.worse:
            return said.better, said.worse
    return None


def refused(question: Asked, said: Said) -> set[str]:
    """What a saying holds to be wrong without a word on what would be right."""
    if pair_of(question, said) or said.verdict not in ("down", "neither"):
        return set()
    shown = {question.sql, *question.others} if said.verdict == "neither" else {question.sql}
    return shown - {""}


def agreed(pairs: Sequence[Pair], against: Mapping[str, int] = MappingProxyType({})) -> Pair | None:
    """What most hold to be right, over what most of these hold to be worse; None for a draw, or where as many
    are `against` it.
    """
    if not pairs:
        return None
    (best, times), *others = Counter(better for better, _ in pairs).most_common()
    if (others and others[0][1] == times) or against.get(best, 0) >= times:
        return None
    return Counter(pair for pair in pairs if pair[0] == best).most_common(1)[0][0]


def up_to_sql(response: Sequence[Message], sql: str) -> Messages:
    """A response that ends by running this statement: what it said before its own last one, or all that it
    looked up where it ran none.
    """
    runs = [
        place
        for place, message in enumerate(response)
        if any(call.function.name == "execute_sql" for call in message.tool_calls)
    ]
    place = runs[-1] if runs else len(response)
    kept = list(response[:place])
    while not runs and kept and kept[-1].role == "assistant" and not kept[-1].tool_calls:
        kept.pop()  # what it said instead
    thought = response[place].content if runs else ""
    call = ToolCall(id="final", function=FunctionCall(name="execute_sql", arguments={"sql": sql}))
    return (*kept, Message(role="assistant", content=thought, tool_calls=(call,)))


def _lesson(question: Asked, pair: Pair, sayings: Sequence[Said]) -> Lesson:
    from ...agents.acting import tools_on_offer

    better, worse = pair
    about = {
        "id": question.id, "db_id": question.db_id, "prompt": question.prompt, "tools": tools_on_offer(),
    }  # fmt: skip
    chosen = up_to_sql(question.response, better)
    if not worse:
        return Trajectory(**about, response=chosen)  # pyright: ignore[reportArgumentType]
    reasons = tuple(f"{one.person or 'someone'}: {one.words}" for one in sayings if one.words)
    rejected = up_to_sql(question.response, worse)
    return Preference(**about, chosen=chosen, rejected=rejected, reasons=reasons)  # pyright: ignore
