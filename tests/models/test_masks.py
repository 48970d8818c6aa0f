"""Decoding that cannot write what means nothing."""

from __future__ import annotations

import pytest
from sqlberg.models.embedded.items import KEYWORDS, Item
from sqlberg.models.embedded.masks import Masks
from sqlberg.models.embedded.prompt import Prompt
from sqlberg.models.embedded.scope import scope_of

SINGER = Item("table", text="singer", table="singer")


def column(table: str, name: str) -> Item:
    return Item("column", text=name, table=table, column=name)


def masks_over(*columns: tuple[str, str]) -> Masks:
    """Masks of a prompt with these columns of one table, each with its role, or "words"."""
    prompt = Prompt()
    for name, role in columns:
        item = column("singer", name)
        prompt.point(item, prompt.add([1], "text" if role == "words" else role))
        {"date": prompt.dates, "words": prompt.wordy}.get(role, set()).add(item)
    prompt.point(SINGER, prompt.add([2], "table"))
    return Masks(prompt, len(KEYWORDS) + len(prompt.items))


def open_columns(masks: Masks, *tokens: str | Item) -> set[str]:
    allowed = masks.allowed(["execute", *tokens], "")
    return {item.text for place, item in enumerate(masks.prompt.items) if allowed[len(KEYWORDS) + place]}


def test_a_select_list_holds_nothing_twice():
    masks = masks_over(("name", "text"), ("age", "number"))
    name, age = column("singer", "name"), column("singer", "age")
    assert open_columns(masks, "select", name, ",") == {"age"}
    assert open_columns(masks, "select", "max", age, ",", "max") == {"name"}
    assert open_columns(masks, "select", "max", age, ",", "min") == {"name", "age"}
    assert open_columns(masks, "select", name, "where") == {"name", "age"}
    assert open_columns(masks, "select", name, "where", age, "=", "(", "select") == {"name", "age"}


def test_dates_are_neither_summed_nor_averaged():
    masks = masks_over(("born", "date"), ("age", "number"))
    assert open_columns(masks, "select", "avg") == {"age"}
    assert open_columns(masks, "select", "max") == {"born", "age"}


def test_words_are_neither_computed_with_nor_ordered_by_size():
    masks = masks_over(("name", "words"), ("age", "number"))
    name, age = column("singer", "name"), column("singer", "age")
    assert open_columns(masks, "select", "max") == {"age"}
    assert open_columns(masks, "select", "count") == {"name", "age"}
    larger = list(KEYWORDS).index(">")
    for tokens, may_be in (([name], False), ([age], True)):
        assert bool(masks.allowed(["execute", "select", "*", "where", *tokens], "")[larger]) is may_be
    counted = ["execute", "select", name, "group", name, "having", "count", name]
    assert bool(masks.allowed(counted, "")[larger])


def test_a_column_is_not_held_against_itself():
    masks = masks_over(("age", "number"), ("fame", "number"))
    age = column("singer", "age")
    assert open_columns(masks, "select", "*", "where", age, "<") == {"fame"}
    assert open_columns(masks, "select", age, "-") == {"fame"}
    assert open_columns(masks, "select", "max", age, "-") == {"age", "fame"}
    assert open_columns(masks, "select", "*", "where", age, "=", "(", "select", "max") == {"age", "fame"}


def test_where_only_nonsense_is_left_it_may_be_written():
    assert open_columns(masks_over(("born", "date")), "select", "sum") == {"born"}


SHOP = Prompt(
    islands={"orders": frozenset({"orders", "customers"}), "customers": frozenset({"orders", "customers"})},
    kin={
        ("orders", "buyer"): frozenset({("orders", "buyer"), ("customers", "id")}),
        ("customers", "id"): frozenset({("orders", "buyer"), ("customers", "id")}),
    },
)
ID, NAME, BUYER, DAY, SALES = (
    column("customers", "id"),
    column("customers", "name"),
    column("orders", "buyer"),
    column("orders", "day"),
    column("figures", "sales"),
)
for item in (ID, NAME, BUYER, DAY, SALES, Item("table", text="figures", table="figures")):
    SHOP.point(item, SHOP.add([1], "text"))


@pytest.fixture
def shop() -> Masks:
    return Masks(SHOP, len(KEYWORDS) + len(SHOP.items))


def test_columns_of_tables_that_no_keys_connect_do_not_meet(shop: Masks):
    assert open_columns(shop, "select", DAY, ",") == {"id", "name", "buyer"}
    assert open_columns(shop, "select", "count", "*", "from", SHOP.items[-1], "where") == {"sales"}
    assert open_columns(shop, "select", DAY, "where", BUYER, "in", "(", "select") >= {"id", "buyer"}


def test_a_column_is_looked_for_among_its_own_kind(shop: Masks):
    for words in (["in", "("], ["not_in", "("]):
        nested = ["select", NAME, "where", ID, *words, "select"]
        assert open_columns(shop, *nested) == {"id", "buyer"}
        assert open_columns(shop, *nested, "distinct") == {"id", "buyer"}
        assert open_columns(shop, *nested, BUYER, "where") == {"id", "name", "buyer", "day"}


def test_what_is_left_out_or_common_is_of_the_same_kind(shop: Masks):
    left = ["select", NAME, ",", ID, "except", "select"]
    assert open_columns(shop, *left) == {"name"}
    assert open_columns(shop, *left, NAME, ",") == {"id", "buyer"}
    assert open_columns(shop, "select", NAME, "union", "select") == {"id", "name", "buyer", "day", "sales"}


def test_the_scope_is_that_of_the_innermost_open_select():
    tokens = ["execute", "select", NAME, ",", "count", "*", "where", ID, "in", "(", "select", BUYER]
    inner = scope_of([*tokens, "where", DAY])
    assert (inner.clause, inner.selected, inner.tables) == ("where", [[BUYER]], {"orders"})
    outer = scope_of([*tokens, ")", "group"])
    assert (outer.clause, outer.selected, outer.tables) == ("group", [[NAME], ["count", "*"]], {"customers"})
