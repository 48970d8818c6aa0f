"""Join paths: the shortest, all of the parallel ones, and trees that hold every table asked for."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlberg.tools.paths import JoinPath, connect, join_paths
from sqlberg.tools.schema import Catalog, Column, Join, Table


def catalog(tables: str, *joins: str) -> Catalog:
    """`joins`: "child.column -> parent.column", with " ?" at the end when inferred."""
    made = []
    for text in joins:
        one, other = text.removesuffix(" ?").split(" -> ")
        (table, column), (ref, ref_column) = one.split("."), other.split(".")
        inferred = text.endswith("?")
        made.append(
            Join(
                table,
                (column,),
                ref,
                (ref_column,),
                "inferred" if inferred else "declared",
                0.9 if inferred else 1.0,
            )
        )
    return Catalog(
        "test",
        "sqlite",
        tuple(Table(name, (Column(name, "id"),), primary_key=("id",)) for name in tables.split()),
        tuple(made),
    )


SCHOOL = catalog(
    "student enrolment course department teacher building",
    "student.department_id -> department.id",
    "enrolment.student_id -> student.id",
    "enrolment.course_id -> course.id",
    "course.department_id -> department.id",
    "teacher.department_id -> department.id",
)


def routes(paths: list[JoinPath]) -> list[tuple[str, ...]]:
    return [path.tables for path in paths]


def test_the_shortest_path_comes_first() -> None:
    assert routes(join_paths(SCHOOL, "enrolment", "department"))[0] == ("enrolment", "student", "department")


def test_names_may_come_in_any_case() -> None:
    assert routes(join_paths(SCHOOL, "ENROLMENT", "Course")) == [("enrolment", "course")]


def test_a_bridge_table_is_preferred_to_a_shared_parent() -> None:
    assert routes(join_paths(SCHOOL, "student", "course")) == [("student", "enrolment", "course")]


def test_a_shared_parent_joins_what_nothing_else_joins() -> None:
    assert routes(join_paths(SCHOOL, "teacher", "course")) == [("teacher", "department", "course")]


def test_tables_without_a_join_are_not_connected() -> None:
    assert join_paths(SCHOOL, "student", "building") == []


def test_an_unknown_table_is_an_error() -> None:
    with pytest.raises(KeyError, match="pupil"):
        join_paths(SCHOOL, "pupil", "course")


def test_parallel_keys_give_distinct_paths() -> None:
    games = catalog("game team", "game.home_team_id -> team.id", "game.away_team_id -> team.id")
    columns = [path.joins[0].columns for path in join_paths(games, "team", "game")]
    assert sorted(columns) == [("away_team_id",), ("home_team_id",)]


def test_a_key_without_a_role_comes_before_one_with_a_role() -> None:
    firm = catalog(
        "employee department",
        "department.manager_id -> employee.id",
        "employee.department_id -> department.id",
    )
    assert join_paths(firm, "employee", "department")[0].joins[0].columns == ("department_id",)


def test_no_more_paths_are_told_than_asked_for() -> None:
    stars = catalog("a b", *(f"a.c{number}_id -> b.id" for number in range(9)))
    assert len(join_paths(stars, "a", "b", limit=3)) == 3


def test_a_declared_join_is_preferred_to_an_inferred_one() -> None:
    shop = catalog("a b", "a.x_id -> b.id ?", "a.b_id -> b.id")
    assert [path.joins[0].origin for path in join_paths(shop, "a", "b")] == ["declared", "inferred"]


def test_an_inferred_join_is_used_where_no_declared_one_leads() -> None:
    shop = catalog("a b c", "a.b_id -> b.id", "b.c_id -> c.id ?")
    assert routes(join_paths(shop, "a", "c")) == [("a", "b", "c")]


def test_much_longer_ways_are_not_told() -> None:
    ring = catalog(
        "a b c d e", "a.e_id -> e.id", "a.b_id -> b.id", "b.c_id -> c.id", "c.d_id -> d.id", "d.e_id -> e.id"
    )
    assert routes(join_paths(ring, "a", "e")) == [("a", "e")]


def test_a_table_reaches_itself_alone_and_by_its_self_reference() -> None:
    staff = catalog("employee", "employee.manager_id -> employee.id")
    assert routes(join_paths(staff, "employee", "employee")) == [("employee",), ("employee", "employee")]


def test_composite_keys_stay_together() -> None:
    lines = Catalog(
        "test",
        "duckdb",
        (Table("item", (Column("item", "a"),)), Table("refund", (Column("refund", "a"),))),
        (Join("refund", ("order_id", "line"), "item", ("order_id", "line")),),
    )
    assert join_paths(lines, "item", "refund")[0].joins[0].columns == ("order_id", "line")


def test_a_tree_holds_the_bridge_tables() -> None:
    joins = connect(SCHOOL, ["student", "course"])
    assert joins is not None
    assert {name for join in joins for name in (join.table, join.ref_table)} == {
        "student",
        "enrolment",
        "course",
    }


def test_one_table_needs_no_join() -> None:
    assert connect(SCHOOL, ["student", "STUDENT"]) == []


def test_unconnected_tables_have_no_tree() -> None:
    assert connect(SCHOOL, ["student", "building"]) is None


def test_a_dropped_catalog_does_not_answer_for_its_successor() -> None:
    for number in range(20):
        one = catalog(f"a b{number}", f"a.x_id -> b{number}.id")
        assert len(join_paths(one, "a", f"b{number}")) == 1
        del one


@st.composite
def schemas(draw: st.DrawFn) -> Catalog:
    size = draw(st.integers(2, 9))
    pairs = st.tuples(st.integers(0, size - 1), st.integers(0, size - 1))
    keys = draw(st.lists(pairs, max_size=14))
    return catalog(" ".join(f"t{n}" for n in range(size)), *(f"t{a}.t{b}_id -> t{b}.id" for a, b in keys))


@settings(max_examples=60, deadline=None)
@given(schemas(), st.data())
def test_a_tree_reaches_every_table_each_join_from_what_is_reached(
    schema: Catalog, data: st.DataObject
) -> None:
    names = [table.name for table in schema.tables]
    wanted = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=4))
    joins = connect(schema, wanted)
    if joins is None:
        assert any(not join_paths(schema, wanted[0], other) for other in wanted[1:])
        return
    reached = {wanted[0]}
    for join in joins:
        assert len({join.table, join.ref_table} & reached) == 1
        reached |= {join.table, join.ref_table}
    assert reached >= set(wanted)


@settings(max_examples=60, deadline=None)
@given(schemas())
def test_paths_are_chains_of_joins_without_repeated_tables(schema: Catalog) -> None:
    for path in join_paths(schema, "t0", "t1"):
        assert len(set(path.tables)) == len(path.tables) == len(path.joins) + 1
        for (one, other), join in zip(itertools.pairwise(path.tables), path.joins, strict=True):
            assert {one, other} == {join.table, join.ref_table}
