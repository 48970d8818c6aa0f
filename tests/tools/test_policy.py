"""AccessPolicy and what views it leaves: one property a test."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from sqlberg.tools.policy import AccessPolicy
from sqlberg.tools.row_filters import are_of_the_moment, with_written_filters
from sqlberg.tools.schema import Column, Table
from sqlberg.tools.schema_reading import Schema
from sqlberg.tools.view_rights import hidden_views


def table(name: str, *columns: str, view: bool = False) -> Table:
    return Table(name, tuple(Column(name, column) for column in columns), is_view=view)


def test_an_empty_policy_shows_everything() -> None:
    policy = AccessPolicy()
    assert policy.sees_table("orders")
    assert policy.sees_column("orders", "id")
    assert not policy.restricts("orders")


def test_only_allowed_tables_are_visible_in_any_case() -> None:
    policy = AccessPolicy(allow_tables=("Orders", "dim_*"))
    assert policy.sees_table("ORDERS")
    assert policy.sees_table("dim_date")
    assert not policy.sees_table("salaries")


def test_hiding_wins_over_allowing() -> None:
    assert not AccessPolicy(allow_tables=("*",), hide_tables=("audit_*",)).sees_table("audit_log")


def test_a_column_can_be_hidden_in_one_table_or_in_all() -> None:
    policy = AccessPolicy(hide_columns=("staff.salary", "*.e[-]mail", "*.ssn"))
    assert not policy.sees_column("Staff", "SALARY")
    assert policy.sees_column("jobs", "salary")
    assert not policy.sees_column("anything", "ssn")


def test_a_table_name_with_a_dot_keeps_its_hidden_column() -> None:
    policy = AccessPolicy(hide_columns=("sales.2024.price",))
    assert not policy.sees_column("sales.2024", "price")
    assert policy.may_hide_columns_of("sales.2024")


def test_a_table_called_like_a_pattern_is_matched_by_its_name() -> None:
    assert not AccessPolicy(hide_tables=("a[b]",)).sees_table("a[b]")


def test_all_matching_row_filters_have_to_hold() -> None:
    policy = AccessPolicy(row_filters={"*": "tenant = 7", "orders": "region = 'EU' OR paid"})
    assert policy.row_filter("orders") == "(tenant = 7) AND (region = 'EU' OR paid)"
    assert policy.row_filter("customers") == "tenant = 7"


@pytest.mark.parametrize(
    "wrong", [{"hide_columns": ("salary",)}, {"row_filters": {"t": " "}}, {"hide_table": ("t",)}]
)
def test_a_policy_that_would_hide_nothing_by_mistake_is_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        AccessPolicy(**wrong)


def test_equal_policies_have_equal_digests_and_others_differ() -> None:
    first = AccessPolicy(row_filters={"a": "x", "b": "y"})
    assert first.digest() == AccessPolicy(row_filters={"b": "y", "a": "x"}).digest()
    assert first.digest() != AccessPolicy().digest()


@pytest.mark.parametrize(
    ("condition", "passes"),
    [
        ("expires > now()", True),
        ("expires > CURRENT_TIMESTAMP", True),
        ("expires > current_date - 30", True),
        ("expires > 'today'::DATE", True),
        ("random() < 0.5", True),
        ("age(expires) > INTERVAL 3 YEAR", True),
        ("expires > DATE '2024-01-01' AND age(expires, born) > INTERVAL 3 YEAR", False),
        ("day = 'Monday' AND year(born) < 2000", False),
    ],
)
def test_a_row_filter_of_the_moment_is_told_from_one_that_lasts(condition: str, passes: bool) -> None:
    policy = AccessPolicy(row_filters={"passes": condition})
    assert are_of_the_moment(with_written_filters(policy, "duckdb"), "duckdb") is passes


BASE = (table("customers", "id", "email"), table("orders", "id"), table("salaries", "amount"))
VIEWS = (table("contacts", "email", view=True), table("sums", "n", view=True), table("sums2", "n", view=True))
SCHEMA = Schema(
    (*BASE, *VIEWS),
    definitions={
        "contacts": 'CREATE VIEW contacts AS SELECT email FROM "customers"',
        "sums": "CREATE VIEW sums AS SELECT count(*) AS n FROM orders",
        "sums2": "CREATE VIEW sums2 AS SELECT * FROM sums",
    },
)


def test_without_restrictions_no_view_is_hidden() -> None:
    assert hidden_views(SCHEMA, AccessPolicy()) == frozenset()


def test_a_view_over_a_table_with_hidden_columns_is_hidden() -> None:
    assert hidden_views(SCHEMA, AccessPolicy(hide_columns=("customers.email",))) == {"contacts"}


def test_a_view_over_a_view_over_filtered_rows_is_hidden() -> None:
    assert hidden_views(SCHEMA, AccessPolicy(row_filters={"orders": "id < 9"})) == {"sums", "sums2"}


def test_a_view_that_the_owner_allows_by_name_stays() -> None:
    policy = AccessPolicy(allow_tables=("sums",))
    assert "sums" not in hidden_views(SCHEMA, policy)
    assert "sums" in hidden_views(SCHEMA, AccessPolicy(allow_tables=("*",), hide_tables=("orders",)))
