"""Joins that no foreign key declares, inferred from names, kinds and values; always marked as inferred.

First by name, then by value: a column is a candidate for another table's key when the names say so
(`customer_id` ~ `customers.id` or `customers.customer_id`, `home_team_id` ~ `teams.id`, equal distinctive names),
the kinds agree, and the key is unique. It is kept when at least 95 % of its (sampled) distinct values are found in
the key. Without values on either side only the plainest names are believed, with low confidence.

Covered: single columns. Not covered: composite keys, keys whose names share nothing, joins between two columns
neither of which is unique, names that any table may have (`id`, `name`, `year`, ...).
"""

from __future__ import annotations

from collections.abc import Callable

from .limits import Result
from .schema import Catalog, Join

Read = Callable[[str], Result]


def infer_joins(catalog: Catalog, read: Read) -> tuple[Join, ...]:
    """Joins inferred beside the catalog's own."""
    return ()
