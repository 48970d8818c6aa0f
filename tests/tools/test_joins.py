"""Inferred joins: found by name and values, never where they are declared or silly."""

from __future__ import annotations

import pytest
from sqlberg.tools.catalog import build_catalog
from sqlberg.tools.schema import Join

from .readers import Read, duckdb_reader, sqlite_reader


def joins(read: Read, dialect: str = "sqlite") -> list[Join]:
    return list(build_catalog(read, name="test", dialect=dialect).joins)


def inferred(*statements: str, dialect: str = "sqlite") -> list[str]:
    read = (sqlite_reader if dialect == "sqlite" else duckdb_reader)(*statements)
    return sorted(
        f"{join.table}.{join.columns[0]} -> {join.ref_table}.{join.ref_columns[0]}"
        for join in joins(read, dialect)
        if join.origin == "inferred"
    )


def table(name: str, columns: str, *rows: str) -> list[str]:
    """CREATE and INSERT statements."""
    return [f"CREATE TABLE {name} ({columns})", *(f"INSERT INTO {name} VALUES ({row})" for row in rows)]


CUSTOMERS = table("customers", "id INTEGER PRIMARY KEY, name TEXT", *(f"{n}, 'c{n}'" for n in range(1, 9)))


@pytest.mark.parametrize("dialect", ["sqlite", "duckdb"])
def test_a_column_named_after_a_table_refers_to_its_key(dialect: str) -> None:
    orders = table("orders", "id INTEGER PRIMARY KEY, customer_id INTEGER", "1, 5", "2, 5", "3, 8", "4, 1")
    assert inferred(*CUSTOMERS, *orders, dialect=dialect) == ["orders.customer_id -> customers.id"]


def test_an_inferred_join_says_so_and_how_sure_it_is() -> None:
    orders = table("orders", "customer_id INTEGER", "1", "2", "3", "4", "5")
    (join,) = joins(sqlite_reader(*CUSTOMERS, *orders))
    assert join.origin == "inferred"
    assert 0.5 < join.confidence < 1


def test_a_role_before_the_table_name_is_no_hindrance() -> None:
    games = table(
        "games", "home_team_id INTEGER, away_team_id INTEGER", "1, 2", "2, 3", "3, 4", "4, 5", "5, 1"
    )
    teams = table("teams", "id INTEGER PRIMARY KEY, city TEXT", *(f"{n}, 'x'" for n in range(1, 7)))
    assert inferred(*games, *teams) == ["games.away_team_id -> teams.id", "games.home_team_id -> teams.id"]


def test_camel_case_and_plurals_are_understood() -> None:
    flights = table("flights", "SourceAirport TEXT", "'ABC'", "'BCD'", "'CDE'", "'DEF'", "'EFG'")
    codes = ["'ABC'", "'BCD'", "'CDE'", "'DEF'", "'EFG'", "'FGH'"]
    airports = table("airports", "AirportCode TEXT PRIMARY KEY", *codes)
    assert inferred(*flights, *airports) == ["flights.SourceAirport -> airports.AirportCode"]


def test_a_declared_foreign_key_is_not_inferred_again() -> None:
    orders = table("orders", "customer_id INTEGER REFERENCES customers (id)", "1", "2")
    assert inferred(*CUSTOMERS, *orders) == []


def test_values_that_are_not_contained_forbid_a_doubtful_join() -> None:
    visits = table("visits", "customer INTEGER", "1", "2", "100", "200", "300")
    assert inferred(*CUSTOMERS, *visits) == []


def test_a_few_orphans_do_not_hide_a_plain_reference() -> None:
    orders = table("orders", "customer_id INTEGER", "1", "2", "3", "4", "5", "6", "999")
    assert inferred(*CUSTOMERS, *orders) == ["orders.customer_id -> customers.id"]


def test_ids_of_unrelated_tables_are_not_joined() -> None:
    dogs = table("dogs", "id INTEGER PRIMARY KEY, age INTEGER", "1, 2", "2, 3")
    assert inferred(*CUSTOMERS, *dogs) == []


def test_years_and_names_are_not_joined() -> None:
    films = table(
        "films", "film_id INTEGER PRIMARY KEY, year INTEGER, name TEXT", "1, 1999, 'A'", "2, 2000, 'B'"
    )
    songs = table(
        "songs", "song_id INTEGER PRIMARY KEY, year INTEGER, name TEXT", "1, 1999, 'A'", "2, 2000, 'B'"
    )
    assert inferred(*films, *songs) == []


def test_a_measure_named_like_a_table_is_not_joined() -> None:
    ratings = table("ratings", "id INTEGER PRIMARY KEY, label TEXT", *(f"{n}, 'x'" for n in range(1, 7)))
    films = table("films", "rating INTEGER", "1", "2", "3", "4", "5")
    assert inferred(*ratings, *films) == []


def test_different_types_are_not_joined() -> None:
    orders = table("orders", "customer_id TEXT", "'anna'", "'bert'")
    assert inferred(*CUSTOMERS, *orders) == []


def test_a_manager_of_something_else_is_one_of_the_people() -> None:
    staff = table("employees", "id INTEGER PRIMARY KEY, name TEXT", *(f"{n}, 'e{n}'" for n in range(1, 9)))
    rows = [f"{n}, {n + 2}, {n - 1 or 'NULL'}" for n in range(1, 6)]
    departments = table("departments", "id INTEGER PRIMARY KEY, manager_id INTEGER, parent_id INTEGER", *rows)
    assert inferred(*staff, *departments) == [
        "departments.manager_id -> employees.id",
        "departments.parent_id -> departments.id",
    ]


def test_a_manager_is_one_of_the_table_itself() -> None:
    staff = table(
        "employees", "id INTEGER PRIMARY KEY, manager_id INTEGER", "1, NULL", "2, 1", "3, 1", "4, 2", "5, 3"
    )
    assert inferred(*staff) == ["employees.manager_id -> employees.id"]


def test_empty_tables_are_joined_by_plain_names_only_and_unsurely() -> None:
    read = sqlite_reader(
        "CREATE TABLE singers (singer_id INTEGER PRIMARY KEY)",
        "CREATE TABLE songs (singer_id INTEGER, band TEXT)",
        "CREATE TABLE bands (id TEXT PRIMARY KEY)",
    )
    (join,) = joins(read)
    assert (join.table, join.ref_table) == ("songs", "singers")
    assert join.confidence < 0.5


def test_one_to_one_tables_are_joined_once_towards_the_home_of_the_name() -> None:
    profiles = table(
        "profiles", "customer_id INTEGER PRIMARY KEY, note TEXT", *(f"{n}, 'x'" for n in range(1, 6))
    )
    people = table("customers", "customer_id INTEGER PRIMARY KEY", *(str(n) for n in range(1, 9)))
    assert inferred(*people, *profiles) == ["profiles.customer_id -> customers.customer_id"]


def test_a_view_refers_but_is_not_referred_to() -> None:
    orders = table(
        "orders", "id INTEGER PRIMARY KEY, customer_id INTEGER", "1, 5", "2, 6", "3, 7", "4, 8", "5, 1"
    )
    view = "CREATE VIEW recent AS SELECT id, customer_id FROM orders"
    assert inferred(*CUSTOMERS, *orders, view) == [
        "orders.customer_id -> customers.id",
        "recent.customer_id -> customers.id",
    ]


def test_hostile_names_are_quoted() -> None:
    orders = table('"order ""x"""', '"customer id" INTEGER', "1", "2", "3", "4", "5")
    assert inferred(*CUSTOMERS, *orders) == ['order "x".customer id -> customers.id']


def test_row_filters_hold_for_the_comparison_of_values() -> None:
    from sqlberg.tools.policy import AccessPolicy

    visits = table("visits", "customer INTEGER", "1", "2", "3", "4", "5")
    policy = AccessPolicy(row_filters={"customers": "id > 5"})
    catalog = build_catalog(sqlite_reader(*CUSTOMERS, *visits), name="test", dialect="sqlite", policy=policy)
    assert catalog.joins == ()
