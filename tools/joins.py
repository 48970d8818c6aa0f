"""Joins that no foreign key declares, inferred from names, kinds and values; always marked as inferred.

x
"""

from __future__ import annotations

from collections.abc import Callable

from .limits import Result
from .schema import Catalog, Join

Read = Callable[[str], Result]


def infer_joins(catalog: Catalog, read: Read) -> tuple[Join, ...]:
    """Joins inferred beside the catalog's own."""
    return ()
