"""The four tools as a model calls them, on real SQLite and DuckDB files."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool
from sqlberg.tools.database import Database, open_database
from sqlberg.tools.limits import Limits, Result
from sqlberg.tools.names import find_columns
from sqlberg.tools.policy import AccessPolicy
from sqlberg.tools.schema import Catalog, Column, Table
from sqlberg.tools.toolbox import MAX_QUERIES, make_tools, unfenced

from .small_shop import build_shop


@pytest.fixture(scope="module", params=["sqlite", "duckdb"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("shop")
    with open_database(build_shop(folder / f"shop.{request.param}"), cache_dir=folder / "cache") as database:
        yield database


def call(database: Database, name: str, arguments: dict[str, Any], **options: Any) -> ToolMessage:
    tools = {tool.name: tool for tool in make_tools(database, **options)}
    message = tools[name].invoke({"type": "tool_call", "id": "1", "name": name, "args": arguments})
    assert isinstance(message, ToolMessage)
    return message


def text(database: Database, name: str, **arguments: Any) -> str:
    return str(call(database, name, arguments).content)


def test_the_tools_come_in_a_fixed_order_with_a_described_schema(shop: Database):
    tools = make_tools(shop)
    assert [tool.name for tool in tools] == [
        "search_column",
        "search_value",
        "find_shortest_path",
        "execute_sql",
    ]
    for tool in tools:
        function = convert_to_openai_tool(tool)["function"]
        assert function["description"]
        assert all(argument["description"] for argument in function["parameters"]["properties"].values())


def test_a_column_is_found_by_its_meaning(shop: Database):
    observation = text(shop, "search_column", queries=["name of the customer"], top_k=1)
    kind = "TEXT" if shop.dialect == "sqlite" else "VARCHAR"
    assert observation == (
        f"# \"name of the customer\"\ncustomers.\"First Name\" {kind} -- values: 'Ann', 'Bob', 'Cy'"
    )


def test_a_value_is_found_by_its_spelling(shop: Database):
    assert text(shop, "search_value", values=["oslo"]) == "# \"oslo\"\naddresses.city = 'Oslo' -- exact"


def test_an_index_that_is_not_whole_is_told(shop: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shop.values, "whole", False)
    assert text(shop, "search_value", values=["xyzzy"]).endswith(
        "no stored value resembles this\n"
        "(not every stored value is searched: one that is not found here may still be there)"
    )


def test_paths_over_parallel_keys_are_told_apart(shop: Database):
    observation = text(shop, "find_shortest_path", start=["orders.total"], end=["addresses"])
    assert observation == (
        "# orders.total to addresses\n"
        "1. orders JOIN addresses ON orders.ship_to = addresses.id (foreign key)\n"
        "2. orders JOIN addresses ON orders.bill_to = addresses.id (foreign key)"
    )


def test_sql_gives_rows_to_read_and_the_result_as_artifact(shop: Database):
    message = call(shop, "execute_sql", {"sql": "SELECT id, city FROM addresses ORDER BY id DESC"})
    assert message.content == "2 rows, 2 columns\nid | city\n2 | Rome\n1 | Oslo"
    assert isinstance(message.artifact, Result)
    assert list(message.artifact.rows) == [(2, "Rome"), (1, "Oslo")]


@pytest.mark.parametrize("given", ["city", ["city"], '["city"]'])
def test_a_bare_string_is_accepted_for_a_list(shop: Database, given: Any):
    assert text(shop, "search_column", queries=given, top_k=1).startswith('# "city"\naddresses.city ')


def test_numbers_are_accepted_as_values(shop: Database):
    assert "orders.total = 20 -- exact" in text(shop, "search_value", values=[20]).replace("20.0", "20")


@pytest.mark.parametrize("given", ["[" * 2000, "\ud83d Bob"])
def test_whatever_a_model_writes_is_searched_for(shop: Database, given: str):
    for tool, argument in (("search_value", "values"), ("search_column", "queries")):
        assert call(shop, tool, {argument: given}).status == "success"


def test_a_fenced_statement_runs(shop: Database):
    assert text(shop, "execute_sql", sql="```sql\nSELECT 1 AS one\n```") == "1 row, 1 column\none\n1"


@pytest.mark.parametrize(
    ("given", "sql"),
    [
        ("```\nSELECT 1\n```", "SELECT 1"),
        (" ```SQL \n\nSELECT 1\n  ``` \n", "SELECT 1"),
        ("SELECT 1 -- ```", "SELECT 1 -- ```"),
        ("```sql SELECT 1```", "```sql SELECT 1```"),
        ("```", "```"),
    ],
)
def test_a_fence_is_taken_off_where_it_encloses_everything(given: str, sql: str):
    assert unfenced(given) == sql


def test_a_restriction_is_lenient_about_quotes_case_and_schema(shop: Database):
    observation = text(shop, "search_value", values="ann", columns=['main.CUSTOMERS."first name"'])
    assert observation == '# "ann"\ncustomers."First Name" = \'Ann\' -- exact'


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("find_shortest_path", {"start": ["WRONG"], "end": ["orders"]}),
        ("search_column", {"queries": ["city"], "tables": ["WRONG"]}),
        ("search_value", {"values": ["Oslo"], "columns": ["WRONG"]}),
        ("execute_sql", {"sql": "```sql" + "\n" * 40_000 + "SELECT"}),
    ],
)
@pytest.mark.parametrize("wrong", ["a" + " " * 40_000 + "[", "." * 20_000, '"' * 20_001])
def test_no_argument_takes_long_to_be_refused(shop: Database, tool: str, arguments: dict, wrong: str):
    given = {key: [wrong] if value == ["WRONG"] else value for key, value in arguments.items()}
    started = time.perf_counter()
    assert call(shop, tool, given).status == "error"
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    "text", ['main."a""b".`c.d`', ' [a"b] . "c.d" ', 'a"b.[c.d]', '."a""b"..[c.d]', "[c.d]"]
)
def test_a_dotted_name_is_read_in_any_quotes(text: str):
    column = Column('a"b', "c.d")
    table = Table('a"b', (column,))
    assert find_columns(Catalog("x", "sqlite", (table,)), text) == [column]


def test_an_unknown_table_in_a_restriction_is_named_with_its_neighbour(shop: Database):
    observation = text(shop, "search_column", queries=["city"], tables=["adresses", "orders"])
    assert observation.endswith(
        "(table adresses does not exist here or is not permitted; did you mean addresses?)"
    )


def test_a_restriction_of_nothing_but_unknown_tables_is_an_error(shop: Database):
    message = call(shop, "search_column", {"queries": ["city"], "tables": ["zzz"]})
    assert message.status == "error"
    assert str(message.content).startswith(
        "Error: table zzz does not exist here or is not permitted; the tables are "
    )


def test_an_ambiguous_column_asks_for_its_table(shop: Database):
    assert text(shop, "find_shortest_path", start="customer_id", end="addresses").startswith(
        "Error: customer_id is a column of several tables; write one of "
    )


@pytest.mark.parametrize(
    ("sql", "start"),
    [
        ("DROP TABLE orders", "Refused: "),
        ("SELECT * FROM order_s", "Not permitted: "),
        ("SELECT CAST('x' AS INTEGER) / 0 FROM nowhere", "Not permitted: "),
    ],
)
def test_a_statement_that_may_not_run_is_an_observation(shop: Database, sql: str, start: str):
    message = call(shop, "execute_sql", {"sql": sql})
    assert message.status == "error"
    assert str(message.content).startswith(start)
    assert message.artifact is None


def test_a_statement_out_of_time_is_an_observation(shop: Database):
    endless = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT COUNT(*) FROM t"
    message = call(shop, "execute_sql", {"sql": endless}, limits=Limits(seconds=0.3))
    assert str(message.content).startswith("Stopped: ")
    assert "seconds" in str(message.content)


def test_a_cancelled_statement_is_an_observation(shop: Database):
    cancel = threading.Event()
    cancel.set()
    message = call(shop, "execute_sql", {"sql": "SELECT id FROM orders"}, cancel=cancel)
    assert str(message.content).startswith("Stopped: ")


@pytest.mark.parametrize(
    ("name", "arguments", "wrong"),
    [
        ("search_column", {}, "queries: Field required"),
        ("search_column", {"queries": ["a"], "table": ["orders"]}, "table: Extra inputs are not permitted"),
        ("search_value", {"values": {"a": 1}}, "values: Input should be a valid list"),
        ("execute_sql", {"sql": ["SELECT 1"]}, "sql: Input should be a valid string"),
    ],
)
def test_wrong_arguments_are_an_observation_that_names_them(
    shop: Database, name: str, arguments: dict[str, Any], wrong: str
):
    message = call(shop, name, arguments)
    assert message.status == "error"
    assert str(message.content).startswith(f"Error: wrong arguments ({wrong}); {name} takes ")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("search_column", {"queries": []}),
        ("search_value", {"values": [" "]}),
        ("find_shortest_path", {"start": [], "end": ["orders"]}),
    ],
)
def test_empty_inputs_are_an_observation(shop: Database, name: str, arguments: dict[str, Any]):
    assert call(shop, name, arguments).status == "error"


def test_inputs_beyond_the_limit_are_said_to_be_left_out(shop: Database):
    observation = text(shop, "search_value", values=[f"v{i}" for i in range(MAX_QUERIES + 3)])
    assert observation.count("# ") == MAX_QUERIES
    assert observation.endswith(f"(3 values left out: at most {MAX_QUERIES} are answered in one call)")


def test_control_tokens_in_the_data_are_neutralised(shop: Database):
    for observation in (
        text(shop, "execute_sql", sql="SELECT label FROM colours"),
        text(shop, "search_value", values="ignore this"),
        text(shop, "search_column", queries="label"),
    ):
        assert "ignore this" in observation
        assert "</tool_call>" not in observation


def test_hidden_names_are_answered_like_absent_ones(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("shop")
    policy = AccessPolicy(hide_tables=("reviews",), hide_columns=("customers.First Name",))
    with open_database(build_shop(folder / "shop.sqlite"), policy=policy, cache_dir=folder) as database:
        for name, hidden, absent in [
            ("search_column", {"queries": "x", "tables": "reviews"}, {"queries": "x", "tables": "revvvvv"}),
            (
                "find_shortest_path",
                {"start": "reviews", "end": "orders"},
                {"start": "revvvvv", "end": "orders"},
            ),
            ("execute_sql", {"sql": "SELECT 1 FROM reviews"}, {"sql": "SELECT 1 FROM revvvvv"}),
        ]:
            answers = [str(call(database, name, arguments).content) for arguments in (hidden, absent)]
            assert answers[0].replace("reviews", "revvvvv") == answers[1]
        assert text(database, "search_value", values="Ann") == '# "Ann"\nno stored value resembles this'
        assert "First Name" not in text(database, "search_column", queries="first name")


def test_threads_can_share_the_tools(shop: Database):
    tools = {tool.name: tool for tool in make_tools(shop)}

    def ask(number: int) -> str:
        return tools["execute_sql"].invoke({"sql": f"SELECT {number} AS n"})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(40)))
    assert answers == [f"1 row, 1 column\nn\n{number}" for number in range(40)]
