# ruff: noqa: E501 - one table a line reads better than a wrapped one
"""The small shop that `benchmarks/safety.py` attacks: the same tables in DuckDB and in SQLite, with marked
secrets.

Every value the caller must never see contains `CANARY`: hidden columns, hidden tables, rows outside the row
filter, the filter's own text. A result that holds it is a leak, whatever the query looked like. `POLICY` is
what hides them. What reads them from elsewhere (macros, another schema, an enumeration, a text index) is
there, too, in the engine that has it.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import duckdb

CANARY = "canary-5f1e"

POLICY = {
    "hide_tables": ("salaries", "audit_*"),
    "hide_columns": ("customers.email", "employees.salary"),
    "row_filters": {"orders": f"region = 'EU' AND note <> '{CANARY}'"},
}
"""Arguments of an `AccessPolicy`."""

TABLES = {
    "customers": "id INTEGER PRIMARY KEY, name VARCHAR, city VARCHAR, country VARCHAR, joined DATE, email VARCHAR",
    "products": "id INTEGER PRIMARY KEY, name VARCHAR, category VARCHAR, price DOUBLE, attributes JSON, tags {list}",
    "orders": "id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers (id), ordered DATE, status VARCHAR, "
    "total DOUBLE, region VARCHAR, note VARCHAR",
    "order_items": "order_id INTEGER REFERENCES orders (id), product_id INTEGER REFERENCES products (id), "
    "quantity INTEGER, unit_price DOUBLE",
    "employees": "id INTEGER PRIMARY KEY, name VARCHAR, department VARCHAR, manager_id INTEGER, salary VARCHAR",
    "salaries": "employee_id INTEGER, amount VARCHAR",
    "audit_log": "moment DATE, what VARCHAR",
    "order details": '"unit price" DOUBLE, "select" INTEGER',
    "Straße": "größe INTEGER",
}
VIEWS = {
    "all_orders": "SELECT * FROM orders",
    "contacts": "SELECT id, email FROM customers",
}

ELSEWHERE = {
    "duckdb": (
        "CREATE MACRO all_salaries() AS TABLE SELECT * FROM salaries",
        "CREATE VIEW pay_by_macro AS SELECT * FROM all_salaries()",
        "CREATE SCHEMA hr",
        "CREATE TABLE hr.salaries AS SELECT * FROM main.salaries",
        "CREATE VIEW pay_of_hr AS SELECT * FROM hr.salaries",
        f"CREATE TYPE secret_type AS ENUM ('{CANARY}')",
        "CREATE TABLE audit_kinds (kind secret_type)",
    ),
    "sqlite": (
        "CREATE VIRTUAL TABLE pay_index USING fts5(amount, content='salaries')",
        "INSERT INTO pay_index (pay_index) VALUES ('rebuild')",
        "CREATE VIRTUAL TABLE pay_words USING fts5vocab('pay_index', 'row')",
    ),
}

NAMES = (
    "Anna Bauer",
    "Ben Cohen",
    "Carla Diaz",
    "Dan Evans",
    "Eva Fischer",
    "Finn Gray",
    "Gül Han",
    "Hana Ito",
)
PLACES = (("Berlin", "DE"), ("Bonn", "DE"), ("Paris", "FR"), ("Bilbao", "ES"), (None, "US"))
COLOURS = ("red", "blue")
PRODUCTS = ("Lamp", "Desk", "Chair", "Shelf", "Rug", "Mug", "Pen", "Ink", "Bag", "Box", "Cup", "Jar")


def rows_of(table: str) -> list[tuple]:
    """The rows of one table, the same for every engine (a list of tags is a Python list)."""
    if table == "customers":
        return [
            (i, f"{NAMES[i % 8]} {i}", *PLACES[i % 5], f"2023-{i % 12 + 1:02d}-15", f"c{i}@{CANARY}.example")
            for i in range(1, 31)
        ]
    if table == "products":
        tags = (["new", "sale"], ["new"], [], ["sale", "wood"])
        return [
            (
                i,
                name,
                ("home", "office")[i % 2],
                4.5 * i,
                f'{{"colour": "{COLOURS[i % 2]}", "size": {i}}}',
                tags[i % 4],
            )
            for i, name in enumerate(PRODUCTS, 1)
        ]
    if table == "orders":
        return [
            (
                *(
                    i,
                    i * 7 % 25 + 1,
                    f"2024-{i % 12 + 1:02d}-{i % 28 + 1:02d}",
                    ("open", "paid", "sent")[i % 3],
                ),
                *(
                    round(i * 37.7 % 311, 2),
                    "US" if i % 4 == 0 else "EU",
                    CANARY if i % 4 == 0 else f"note {i}",
                ),
            )
            for i in range(1, 121)
        ]
    if table == "order_items":
        return [(i * 3 % 120 + 1, i * 5 % 12 + 1, i % 7 + 1, 4.5 * (i * 5 % 12 + 1)) for i in range(300)]
    if table == "employees":
        return [
            (i, NAMES[i % 8], ("sales", "it", "ops")[i % 3], i // 3 if i > 2 else None, f"{CANARY} {900 * i}")
            for i in range(1, 25)
        ]
    if table == "salaries":
        return [(i, f"{CANARY} {900 * i}") for i in range(1, 25)]
    if table == "audit_log":
        return [(f"2024-01-{i + 1:02d}", f"{CANARY} logged in") for i in range(9)]
    if table == "order details":
        return [(1.5 * i, i) for i in range(9)]
    return [(i,) for i in range(3)]


def build(engine: str, path: Path) -> None:
    """Create the database at `path` for "duckdb" or "sqlite"."""
    connection = duckdb.connect(str(path)) if engine == "duckdb" else sqlite3.connect(path)
    for table, columns in TABLES.items():
        connection.execute(
            f'CREATE TABLE "{table}" ({columns.format(list="VARCHAR[]" if engine == "duckdb" else "TEXT")})'
        )
        for row in rows_of(table):
            values = [
                str(v).replace("'", '"') if isinstance(v, list) and engine == "sqlite" else v for v in row
            ]
            connection.execute(f'INSERT INTO "{table}" VALUES ({", ".join("?" * len(row))})', values)
    for view, query in VIEWS.items():
        connection.execute(f"CREATE VIEW {view} AS {query}")
    for statement in ELSEWHERE[engine]:
        connection.execute(statement)
    if engine == "sqlite":
        connection.commit()
    connection.close()
