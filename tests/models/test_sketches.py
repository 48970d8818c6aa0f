"""Sketches: the grammar, and the SQL written from them."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import duckdb
import pytest
from sqlberg.models.embedded.grammar import Query, SketchError, follow, parse
from sqlberg.models.embedded.items import Item
from sqlberg.models.embedded.sql_writer import JoinKey, SqlWriter, UnconnectedTables, connect, quote

SINGER, CONCERT = Item("table", text="singer", table="singer"), Item("table", text="concert", table="concert")
JOINS = [
    JoinKey("singer_in_concert", ("singer_id",), "singer", ("id",)),
    JoinKey("singer_in_concert", ("concert_id",), "concert", ("id",)),
]


def column(table: str, name: str) -> Item:
    return Item("column", text=name, table=table, column=name)


def written(
    *tokens: str | Item, dialect: str = "sqlite", types: dict[tuple[str, str], str] | None = None
) -> str:
    query = parse(["execute", "select", *tokens, "end"])
    assert isinstance(query, Query)
    return SqlWriter(dialect=dialect, joins=JOINS, types=types).write(query)


def test_a_sketch_of_one_table_is_written_without_table_names():
    age = column("singer", "age")
    twenty = Item("value", text="20", value=20)
    assert written("count", "*", "from", SINGER, "where", age, ">", twenty) == (
        "SELECT count(*) FROM singer WHERE age > 20"
    )


def test_bridge_tables_are_joined_along_the_keys():
    sql = written(column("singer", "name"), "from", SINGER, ",", CONCERT)
    assert sql == (
        "SELECT singer.name FROM singer JOIN singer_in_concert ON singer_in_concert.singer_id = singer.id "
        "JOIN concert ON singer_in_concert.concert_id = concert.id"
    )


def test_the_table_of_a_column_that_from_forgot_is_added():
    sql = written("count", "*", "from", CONCERT, "where", column("singer_in_concert", "singer_id"), "=", "1")
    assert "FROM concert JOIN singer_in_concert" in sql


def test_a_join_that_is_written_out_wins_over_the_known_keys():
    left, right = column("singer", "born_in"), column("concert", "city")
    sql = written("count", "*", "from", SINGER, ",", CONCERT, "on", left, right)
    assert sql == "SELECT count(*) FROM singer JOIN concert ON singer.born_in = concert.city"


def test_a_number_is_quoted_where_its_column_holds_text():
    year = column("concert", "year")
    value = Item("value", text="2014", value=2014)
    types = {("concert", "year"): "TEXT"}
    assert written("*", "from", CONCERT, "where", year, "=", value, types=types).endswith("year = '2014'")
    assert written("*", "from", CONCERT, "where", year, "=", value).endswith("year = 2014")


@pytest.mark.parametrize(
    ("dialect", "year"),
    [
        ("duckdb", "year(day)"),
        ("sqlite", "CAST(strftime('%Y', day) AS INTEGER)"),
        ("x", "extract(year FROM day)"),
    ],
)
def test_a_year_is_compared_with_the_year_of_a_date(dialect: str, year: str):
    day, value = column("concert", "day"), Item("value", text="2014", value=2014)
    types = {("concert", "day"): "DATE"}
    sql = written("*", "from", CONCERT, "where", day, ">=", value, dialect=dialect, types=types)
    assert sql == f"SELECT * FROM concert WHERE {year} >= 2014"
    day_of_year = Item("value", text="2014-05-01", value="2014-05-01")
    sql = written("*", "from", CONCERT, "where", day, "=", day_of_year, dialect=dialect, types=types)
    assert sql == "SELECT * FROM concert WHERE day = '2014-05-01'"


def test_quotes_in_names_and_values_are_doubled():
    odd = Item("column", table="singer", column='a "b"')
    value = Item("value", text="O'Neil", value="O'Neil")
    assert written("*", "from", SINGER, "where", odd, "=", value).endswith("""WHERE "a ""b\""" = 'O''Neil'""")


@pytest.mark.parametrize("name", ["order", "Group", "two words", "1st", "größe", ""])
def test_names_that_are_not_plain_are_quoted(name: str):
    assert quote(name) == f'"{name}"'


def test_a_column_called_like_any_keyword_can_be_read_as_it_is_written():
    with duckdb.connect() as duck, closing(sqlite3.connect(":memory:")) as lite:
        rows = duck.execute("SELECT DISTINCT keyword_name FROM duckdb_keywords()").fetchall()
        words = [row[0] for row in rows]
        for connection in (duck, lite):
            connection.execute("CREATE TABLE t (" + ", ".join(f'"{word}" INTEGER' for word in words) + ")")
            for word in words:
                name = quote(word)
                connection.execute(
                    f"SELECT max({name}), t.{name} FROM t WHERE {name} > 1 GROUP BY {name}, t.{name}"
                )


def test_a_bare_column_beside_an_aggregate_takes_any_value_in_duckdb():
    name, country = column("singer", "name"), column("singer", "country")
    sql = written(name, ",", "count", "*", "from", SINGER, "group", country, dialect="duckdb")
    assert sql == "SELECT any_value(name), count(*) FROM singer GROUP BY country"


def test_the_row_of_the_highest_value_is_meant_by_a_bare_column_beside_max():
    name, age = column("singer", "name"), column("singer", "age")
    assert "arg_max(name, age)" in written(name, ",", "max", age, "from", SINGER, dialect="duckdb")


def test_nested_queries_and_set_operations_are_written():
    name, age = column("singer", "name"), column("singer", "age")
    sql = written(name, "from", SINGER, "where", age, ">", "(", "select", "avg", age, "from", SINGER, ")")
    assert sql == "SELECT name FROM singer WHERE age > (SELECT avg(age) FROM singer)"
    assert "EXCEPT SELECT name" in written(name, "from", SINGER, "except", "select", name, "from", SINGER)


def test_patterns_are_written_around_the_value():
    name, part = column("singer", "name"), Item("value", text="Jo", value="Jo")
    assert written("*", "from", SINGER, "where", name, "not_like_starts", part).endswith("NOT LIKE 'Jo%'")


@pytest.mark.parametrize(
    ("operator", "text", "pattern"),
    [
        ("like_has", "50%", "LIKE '%50!%%' ESCAPE '!'"),
        ("like_starts", "a_b!", "LIKE 'a!_b!!%' ESCAPE '!'"),
        ("not_like_ends", "it's 5%", "NOT LIKE '%it''s 5!%' ESCAPE '!'"),
        ("like_has", "Hey!", "LIKE '%Hey!%'"),
        ("like_is", "J_", "LIKE 'J_'"),
    ],
)
def test_a_value_in_a_pattern_stands_for_itself(operator: str, text: str, pattern: str):
    name, part = column("singer", "name"), Item("value", text=text, value=text)
    assert written("*", "from", SINGER, "where", name, operator, part).endswith(pattern)


def test_tables_that_nothing_joins_are_told_apart():
    with pytest.raises(UnconnectedTables, match="from singer to film"):
        connect(["singer", "film"], JOINS)


def test_what_the_grammar_offers_next_is_what_it_accepts():
    tokens: list[str | Item] = ["execute", "select", "count", "*", "from", SINGER]
    allowed = follow(tokens)
    assert allowed is not None
    assert {"where", "end", ",", "on"} <= allowed
    assert "from" not in allowed
    assert follow([*tokens, "end"]) is None


def test_a_token_that_is_not_allowed_is_refused():
    with pytest.raises(SketchError, match="position 2"):
        parse(["execute", "select", "from"])


def test_an_unfinished_sketch_is_no_query():
    with pytest.raises(SketchError, match="not finished"):
        parse(["execute", "select", "*"])


def test_a_query_ends_only_once_it_names_a_table():
    assert "end" not in (follow(["execute", "select", "count", "*"]) or ())
    assert "end" in (follow(["execute", "select", "count", column("singer", "id")]) or ())
    assert "end" in (
        follow(["execute", "select", "count", "*", "where", column("singer", "id"), "is_null"]) or ()
    )


def test_dates_are_grouped_by_month():
    day = column("concert", "day")
    sql = written("month", day, ",", "count", "*", "group", "month", day)
    assert sql == "SELECT strftime('%Y-%m', day), count(*) FROM concert GROUP BY strftime('%Y-%m', day)"


def test_a_refusal_may_name_the_words_that_nothing_stands_for():
    word = Item("word", text="salary", index=3)
    assert parse(["refuse", "end"]) == []
    assert parse(["refuse", word, word, "end"]) == [(word, word)]


def test_a_look_up_is_pairs_of_words():
    first, last = Item("word", text="Joe", index=3), Item("word", text="Sharp", index=4)
    assert parse(["lookup", first, last, "end"]) == [(first, last)]


def test_what_stands_for_one_value_cannot_have_many_rows():
    age, name = column("singer", "age"), column("singer", "name")
    nested = ["execute", "select", name, "where", age, ">", "(", "select"]
    assert ")" not in (follow([*nested, age]) or set())
    assert "," not in (follow([*nested, age]) or set())
    assert ")" in (follow([*nested, "avg", age]) or set())
    assert ")" in (follow([*nested, age, "order", age, "limit", "1"]) or set())
    assert ")" in (
        follow([*nested, age, "where", name, "=", Item("value", text="Joe", value="Joe")]) or set()
    )
    assert ")" not in (follow([*nested, "max", age, "group", name]) or set())


def test_both_sides_of_a_set_operation_have_as_many_columns():
    age, name = column("singer", "age"), column("singer", "name")
    right = ["execute", "select", name, ",", age, "intersect", "select", name]
    assert follow(right) is not None
    assert "," in (follow(right) or set())
    assert not {"end", "where", "union"} & (follow(right) or set())
    assert "," not in (follow([*right, ",", age]) or set())
    assert "end" in (follow([*right, ",", age]) or set())
