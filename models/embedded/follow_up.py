"""Follow-ups: a question is read together with the one before it ("… How many are from France? And from
Italy?"), and the network tells what belongs together.
"""

from __future__ import annotations

import re
from dataclasses import replace

from .prompt import WORD
from .reading import Situation

OPENING = re.compile(
    r"\s*(?:(?:and|but|now|then|ok|okay|so|also)\b[\s,]*)*"
    r"(?:what about|how about|only|just|for|in|of|from|by|with|without)\b",
    re.IGNORECASE,
)
JOINING = re.compile(r"\s*(?:and|but|now|what about|how about|only|just|also|same)\b", re.IGNORECASE)
LONGEST = 8
MOST_EARLIER_WORDS = 30


def in_context(situation: Situation) -> Situation:
    """The situation with the question before it put in front; where that one is a follow-up itself, with the
    two before it.
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


def is_follow_up(question: str) -> bool:
    """Whether it needs the question before it: short, and opening with "and", "only", "what about",
    "in …".
    """
    short = len(WORD.findall(question)) <= LONGEST
    return short and bool(OPENING.match(question) or JOINING.match(question))
