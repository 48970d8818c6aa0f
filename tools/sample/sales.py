"""Orders of the sample shop, and what follows from them: payments, returns, reviews.

Sales grow over the years and peak before Christmas, each category's in its season; few customers and products
make up most of them, as in a real shop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from . import words
from .chance import Chance, Weighted
from .goods import CENT, Goods
from .people import FIRST_DAY, LAST_DAY, Customers

Row = tuple[Any, ...]

ORDERS = 8_500

_YEARS = {2022: 1.0, 2023: 1.22, 2024: 1.3, 2025: 1.62}
_MONTHS = (0.85, 0.78, 0.92, 0.98, 1.0, 0.95, 0.85, 0.82, 1.0, 1.08, 1.45, 1.75)
_WEEKDAYS = (1.0, 0.95, 0.95, 1.0, 1.1, 1.3, 1.15)
_STORES = Weighted(((1, 62), (2, 8), (3, 6), (4, 9), (5, 4), (6, 5), (7, 4), (8, 2)))
_METHODS = Weighted(words.PAYMENT_METHODS)
_REASONS = Weighted(words.RETURN_REASONS)


@dataclass(frozen=True)
class Sales:
    """Rows of the five tables, in the column order of schema.py."""

    orders: list[Row] = field(default_factory=list)
    items: list[Row] = field(default_factory=list)
    payments: list[Row] = field(default_factory=list)
    returns: list[Row] = field(default_factory=list)
    reviews: list[Row] = field(default_factory=list)


def make_sales(chance: Chance, staff: list[Row], people: Customers, goods: Goods) -> Sales:
    made = Sales()
    days = [FIRST_DAY + timedelta(days=number) for number in range((LAST_DAY - FIRST_DAY).days + 1)]
    busy = Weighted(
        (day, _YEARS[day.year] * _MONTHS[day.month - 1] * _WEEKDAYS[day.weekday()]) for day in days
    )
    regulars = chance.shuffled(range(len(people.customers)))
    loyalty = Weighted((customer, 1 / (3 + rank) ** 0.55) for rank, customer in enumerate(regulars))
    sellers: dict[int, list[Row]] = {}
    for member in staff:
        sellers.setdefault(member[4], []).append(member)
    assortments = [_assortment(goods, month) for month in range(1, 13)]
    for number, day in enumerate(sorted(chance.weighted(busy) for _ in range(ORDERS)), 1):
        customer = chance.weighted(loyalty)
        while people.customers[customer][6] > day:  # not registered yet
            customer = chance.weighted(loyalty)
        items = _items(chance, number, day, goods, assortments[day.month - 1])
        order = _order(chance, number, customer + 1, people.homes[customer], day, sellers, _total(items))
        made.orders.append(order)
        made.items.extend(items)
        if order[9] != "cancelled":
            made.payments.extend(
                _payments(chance, len(made.payments) + 1, number, day, _total(items) + order[10])
            )
        if order[8] is not None:
            for item in items:
                made.returns.extend(_returns(chance, len(made.returns) + 1, item, order[8]))
    made.reviews.extend(_reviews(chance, made, len(goods.products)))
    return made


def _assortment(goods: Goods, month: int) -> Weighted[Row]:
    """Products by appeal in a month: twice as much in their season, half of it half a year away."""
    return Weighted(
        (product, appeal * 2 ** math.cos((month - peak) * math.pi / 6))
        for product, appeal, peak in zip(goods.products, goods.appeal, goods.peaks, strict=True)
    )


def _items(chance: Chance, order: int, day: date, goods: Goods, assortment: Weighted[Row]) -> list[Row]:
    wanted = min(1 + chance.waiting(1.75), 7)
    chosen: dict[int, Row] = {}
    for _ in range(40):
        product = chance.weighted(assortment)
        if product[6] <= day and (product[7] is None or product[7] > day):
            chosen[product[0]] = product
        if len(chosen) == wanted:
            break
    items: list[Row] = []
    for line, (number, product) in enumerate(chosen.items(), 1):
        # The list price is that of 2025; it rose by 3 % of it each year.
        price = (product[4] * (100 - 3 * (2025 - day.year)) / 100).quantize(CENT)
        quantity = 1 + chance.waiting(0.5 if price > 60 else 1.1)
        reduced = chance.happens(0.3 if day.month == 11 else 0.11)
        discount = chance.pick((5, 10, 10, 15, 20, 30)) if reduced else 0
        items.append((order, line, number, quantity, price, discount))
    return items


def _line_total(item: Row) -> Decimal:
    _, _, _, quantity, price, discount = item
    return (price * quantity * (100 - discount) / 100).quantize(CENT)


def _total(items: list[Row]) -> Decimal:
    return sum(map(_line_total, items), Decimal(0))


def _order(
    chance: Chance,
    number: int,
    customer: int,
    homes: list[int],
    day: date,
    sellers: dict[int, list[Row]],
    total: Decimal,
) -> Row:
    store = chance.weighted(_STORES)
    present = [one[0] for one in sellers[store] if one[6] <= day and (one[7] is None or one[7] > day)]
    seller = chance.pick(present) if store > 1 and present else None
    shipping = homes[-1] if len(homes) > 1 and chance.happens(0.45) else homes[0]
    shipped = day + timedelta(days=chance.waiting(2.1))
    delivered = shipped + timedelta(days=chance.between(1, 7))
    status = "processing" if shipped > LAST_DAY else "shipped" if delivered > LAST_DAY else "delivered"
    status = "cancelled" if chance.happens(0.035) else status
    freight = Decimal("0.00") if store > 1 or total > 75 else Decimal("4.90")
    note = chance.pick(words.ORDER_NOTES) if chance.happens(0.07) else None
    return (
        number,
        customer,
        store,
        seller,
        homes[0],
        shipping,
        day,
        shipped if status in ("shipped", "delivered") else None,
        delivered if status == "delivered" else None,
        status,
        freight,
        note,
    )


def _payments(chance: Chance, number: int, order: int, day: date, amount: Decimal) -> list[Row]:
    """One payment, two for some big orders, none yet for open invoices."""
    method = chance.weighted(_METHODS)
    paid = day + timedelta(days=chance.between(3, 30) if method == "invoice" else 0)
    parts = [amount]
    if amount > 300 and chance.happens(0.2):
        half = (amount / 2).quantize(CENT)
        parts = [half, amount - half]
    dates = [paid + timedelta(days=30 * place) for place in range(len(parts))]
    return [
        (number + place, order, on, part, method)
        for place, (on, part) in enumerate(zip(dates, parts, strict=True))
        if on <= LAST_DAY
    ]


def _returns(chance: Chance, number: int, item: Row, delivered: date) -> list[Row]:
    day = delivered + timedelta(days=chance.between(1, 28))
    if day > LAST_DAY or not chance.happens(0.042):
        return []
    quantity = chance.between(1, item[3])
    refund = _line_total((*item[:3], quantity, *item[4:]))
    reason = chance.maybe(0.93, chance.weighted(_REASONS))
    return [(number, item[0], item[1], day, quantity, reason, refund)]


def _reviews(chance: Chance, sales: Sales, products: int) -> list[Row]:
    """Reviews of delivered goods by date: products differ in quality, buyers in taste."""
    quality = [3.3 + 1.6 * chance.share() for _ in range(products)]
    orders = {order[0]: order for order in sales.orders}
    found: list[Row] = []
    for item in sales.items:
        _, customer, *_, delivered, _, _, _ = orders[item[0]]
        if delivered is None or not chance.happens(0.17):
            continue
        day = delivered + timedelta(days=chance.between(2, 60))
        if day > LAST_DAY:
            continue
        taste = chance.share() + chance.share() + chance.share() - 1.5
        rating = max(1, min(5, round(quality[item[2] - 1] + 1.8 * taste)))
        titles, bodies = words.REVIEWS[rating]
        title = chance.maybe(0.8, chance.pick(titles.split("|")))
        body = chance.maybe(0.62, chance.pick(bodies.split("|")))
        found.append((item[2], customer, rating, title, body, day))
    found.sort(key=lambda review: review[5])
    return [(number, *review) for number, review in enumerate(found, 1)]
