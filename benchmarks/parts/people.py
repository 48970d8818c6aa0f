"""What people would say of a model's answers, as gold tells."""

from __future__ import annotations

from sqlberg.training.preferences import Preference

from .openings import Asked
from .turns import Deciding, said


def preferences(deciding: Deciding, asked: Asked) -> list[Preference]:
    """Of the model's own candidates the best right one over the best wrong one; where none is right, their
    correction over the best. A question without a wrong candidate says nothing.
    """
    pairs = []
    for (question, row), statements, verdicts in zip(asked, *deciding.look(asked, None), strict=True):
        right = [sql for sql, verdict in zip(statements, verdicts, strict=True) if verdict.right]
        wrong = [sql for sql, verdict in zip(statements, verdicts, strict=True) if not verdict.right]
        if wrong and question.sql:
            pairs.append(
                Preference(
                    id=row.id,
                    db_id=row.db_id,
                    prompt=(*row.prompt, *row.opening),
                    chosen=said(right[0] if right else question.sql),
                    rejected=said(wrong[0]),
                )
            )
    return pairs
