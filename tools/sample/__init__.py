"""The bundled sample database: a small shop, made up by code with a fixed seed, the same on every machine.

14 tables and a view, some 46 000 rows over 2022 to 2025: two foreign keys between the same two tables
(billing and shipping address), a composite key, self references, a table of 48 columns, comments, NULLs,
seasons. The words are in words.py, the tables in schema.py, the rows in people.py, goods.py and sales.py.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..cache import written_whole

VERSION = "1"
"""Raised when the sample comes out different: files of another version are built anew."""

SEED = 20_220_101

Row = tuple[Any, ...]


def build_sample(path: Path) -> None:
    """Write the sample shop as a DuckDB file at `path`, unless this version of it is there already.

    Two processes may do so at once. Raises OSError when the folder cannot be written to.
    """
    stamp = path.with_suffix(".version")
    if path.exists() and stamp.exists() and stamp.read_text() == VERSION:
        return
    with written_whole(path) as temporary:
        _write(temporary)
    with written_whole(stamp) as temporary:
        temporary.write_text(VERSION)


def sample_rows() -> dict[str, list[Row]]:
    """All rows by table, in the order of schema.py's tables and columns."""
    from .chance import Chance
    from .goods import make_goods
    from .people import make_customers, make_places, make_staff
    from .sales import make_sales

    chance = Chance(SEED)
    places = make_places()
    staff = make_staff(chance, places.stores)
    people = make_customers(chance)
    goods = make_goods(chance)
    sales = make_sales(chance, staff, people, goods)
    return {
        "countries": places.countries,
        "stores": places.stores,
        "employees": staff,
        "customers": people.customers,
        "addresses": people.addresses,
        "categories": goods.categories,
        "suppliers": goods.suppliers,
        "products": goods.products,
        "product_details": goods.details,
        "orders": sales.orders,
        "order_items": sales.items,
        "payments": sales.payments,
        "returns": sales.returns,
        "reviews": sales.reviews,
    }


def _write(path: Path) -> None:
    import duckdb

    from .schema import AFTERWARDS, TABLES

    rows = sample_rows()
    with duckdb.connect(str(path)) as database, TemporaryDirectory() as folder:
        file = Path(folder, "rows.csv")  # the quickest way into DuckDB without pandas or pyarrow
        for table, columns in TABLES.items():
            database.execute(f"CREATE TABLE {table} ({columns})")
            for wave in _waves(rows[table], _SELF_REFERENCES.get(table)):
                with file.open("w", newline="", encoding="utf-8") as stream:
                    csv.writer(stream).writerows(wave)
                database.execute(f"COPY {table} FROM '{file}' (FORMAT csv, HEADER false, NULLSTR '')")
        for statement in AFTERWARDS:
            database.execute(statement)


_SELF_REFERENCES = {"employees": 5, "categories": 2}
"""Place of the column that refers to the table's own first column."""


def _waves(rows: list[Row], reference: int | None) -> Iterator[list[Row]]:
    """Rows in groups that refer to earlier groups only: DuckDB checks keys statement by statement."""
    if reference is None:
        yield rows
        return
    known: set[object] = {None}
    while rows:
        ready = [row for row in rows if row[reference] in known]
        known.update(row[0] for row in ready)
        rows = [row for row in rows if row[0] not in known]
        yield ready
