"""sqlberg: ask a database in plain language, get checked answers, and let it learn from your preferences."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agents.answer import Answer, Step
    from .agents.opening import open_database
    from .agents.sql_agent import SqlAgent
    from .agents.sql_graph import build_sql_graph
    from .tools.database import Database
    from .tools.errors import SqlbergError
    from .tools.limits import Limits, Result
    from .tools.policy import AccessPolicy

# Names are imported on first use, so that `import sqlberg` stays light (PEP 562).
_HOMES = {
    "AccessPolicy": ".tools.policy",
    "Answer": ".agents.answer",
    "Database": ".tools.database",
    "Limits": ".tools.limits",
    "Result": ".tools.limits",
    "SqlAgent": ".agents.sql_agent",
    "SqlbergError": ".tools.errors",
    "Step": ".agents.answer",
    "build_sql_graph": ".agents.sql_graph",
    "open_database": ".agents.opening",
}

__all__ = [
    "AccessPolicy",
    "Answer",
    "Database",
    "Limits",
    "Result",
    "SqlAgent",
    "SqlbergError",
    "Step",
    "build_sql_graph",
    "open_database",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sqlberg' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)
