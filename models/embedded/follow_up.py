"""Follow-up questions made whole: "and in 2023?" after "How many orders were placed in 2022?".

The network reads one question. A follow-up that is no question of its own takes the earlier one and
exchanges the part
it answers: a number or year for a number or year, a capitalised or quoted name for one of these; else it is
added.
Covered: such exchanges and additions. Not covered: pronouns ("and how old are they?") beyond adding them.
"""

from __future__ import annotations

import re
from dataclasses import replace

from .prompt import WORD, as_number
from .reading import Situation

OPENING = re.compile(
    r"\s*(?:(?:and|but|now|then|ok|okay|so|also)\b[\s,]*)*"
    r"(?:what about|how about|only|just|for|in|of|from|by|with|without)\b",
    re.IGNORECASE,
)
JOINING = re.compile(r"\s*(?:and|but|now|what about|how about|only|just|also|same)\b", re.IGNORECASE)
LEADING = re.compile(
    r"\s*(?:(?:and|but|now|then|also|only|just|the same|same|what about|how about)\b[\s,]*)+", re.IGNORECASE
)
NAME = re.compile(r"'[^']+'|\"[^\"]+\"|(?<!^)\b[A-Z][\w'’-]*(?: [A-Z][\w'’-]*)*")
LONGEST = 8


MOST_EARLIER_WORDS = 30


def in_context(situation: Situation) -> Situation:
    """The situation with the question before it put in front: "How many are from France? And from Italy?".

    Of two short ones before it both are; the network tells what belongs together.
    """
    earlier = situation.earlier[-1:]
    if earlier and is_follow_up(earlier[0]):
        earlier = situation.earlier[-2:]
    words = [word for text in earlier for word in text.split()][-MOST_EARLIER_WORDS:]
    if not words:
        return situation
    before = " ".join(words)
    before += "" if before.endswith((".", "?", "!")) else "."
    return replace(
        situation,
        question=f"{before} {situation.question}",
        earlier=(),
        earlier_words=len(WORD.findall(before)),
    )


def whole_question(situation: Situation) -> str:
    """The situation's question, completed from the earlier one where it is a follow-up."""
    question = situation.question
    if not situation.earlier or not is_follow_up(question):
        return question
    before = ""
    for earlier in [*situation.earlier, question]:
        before = _merged(before, earlier) if before and is_follow_up(earlier) else earlier
    return before


def is_follow_up(question: str) -> bool:
    """Whether it needs the question before it: short, and opening with "and", "only", "what about", "in
    …".
    """
    short = len(WORD.findall(question)) <= LONGEST
    return short and bool(OPENING.match(question) or JOINING.match(question))


def _merged(before: str, follow_up: str) -> str:
    for find in (_numbers, NAME.findall):
        old, new = find(before), find(follow_up)
        if len(new) == 1 and len(old) == 1:
            return before.replace(old[0], new[0])
    rest = LEADING.sub("", follow_up).strip(" ?.!,")
    return f"{before.rstrip(' ?.!')} {rest}?" if rest else before


def _numbers(text: str) -> list[str]:
    return [word for word in WORD.findall(text) if as_number(word) is not None and word[0].isdigit()]
