"""Categories, suppliers and products of the sample shop, and the wide table of their details."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from . import words
from .chance import Chance, Weighted
from .people import LAST_DAY, person

Row = tuple[Any, ...]

PRODUCTS = 380
CENT = Decimal("0.01")

_CLOTH = ("Wool", "Towel", "Sheet", "Hat", "Jumper", "Jacket", "Socks", "Bag", "Cushion", "Mittens", "Gloves")
_FURNITURE = ("Desk", "Bench", "Chair", "Table", "Shelf", "Rack", "Stand", "Hammock")
_ELECTRIC = ("Lamp", "Light", "Headlamp")
_FRAGILE = ("Teapot", "Pot", "Bowl", "Lantern", "Candle", "Pendant")


@dataclass(frozen=True)
class Goods:
    """Rows of the four tables; per product its seasonal peak (month) and its share of the sales."""

    categories: list[Row]
    suppliers: list[Row]
    products: list[Row]
    details: list[Row]
    peaks: list[int]
    appeal: list[float]


def make_goods(chance: Chance) -> Goods:
    made = Goods([], [], [], [], [], [])
    leaves: list[tuple[int, str, int, tuple[int, int], int, list[str]]] = []
    for top, inside in words.CATEGORIES.items():
        parent = len(made.categories) + 1
        made.categories.append((parent, top, None))
        for name, (peak, prices, share, nouns) in inside.items():
            made.categories.append((len(made.categories) + 1, name, parent))
            leaves.append((len(made.categories), top, peak, prices, share, nouns.split("|")))
    for entry in words.SUPPLIERS:
        name, code, city = entry.split(":")
        contact = " ".join(person(chance, code))
        made.suppliers.append((len(made.suppliers) + 1, name, contact, city, code))
    by_share = Weighted((leaf, leaf[4]) for leaf in leaves)
    named: set[str] = set()
    while len(made.products) < PRODUCTS:
        category, top, peak, (low, high), share, nouns = chance.weighted(by_share)
        noun = chance.pick(nouns)
        name = f"{chance.pick(words.SERIES)} {noun}"
        name += f", {chance.pick(words.VARIANTS)}" if chance.happens(0.35) else ""
        if name in named:
            continue
        named.add(name)
        number = len(made.products) + 1
        price = Decimal(round(low * (high / low) ** chance.share())) - Decimal("0.05")
        cost = (price * chance.between(38, 66) / 100).quantize(CENT)
        start = date(2019, 1, 7) + timedelta(weeks=chance.between(0, 330))
        end = start + timedelta(weeks=chance.between(60, 260)) if chance.happens(0.16) else None
        supplier = 1 + (category * 7 + chance.between(0, 4)) % len(made.suppliers)
        end = end if end and end < LAST_DAY else None
        made.products.append((number, name, category, supplier, price, cost, start, end))
        made.details.append(_details(chance, number, name, category, top))
        made.peaks.append(peak)
        made.appeal.append(share / (1 + 9 * chance.share() ** 0.5) ** 1.3)
    return made


def _details(chance: Chance, number: int, name: str, category: int, top: str) -> Row:
    """One row of the wide table; what makes no sense for the product is None."""
    food, cloth, furniture, electric, fragile = (
        top == "Pantry",
        *(any(sign in name for sign in signs) for signs in (_CLOTH, _FURNITURE, _ELECTRIC, _FRAGILE)),
    )
    pick, between, happens, maybe = chance.pick, chance.between, chance.happens, chance.maybe
    sides = [between(40, 1200 if furniture else 420) for _ in range(3)]
    weight = max(40, sides[0] * sides[1] * sides[2] // between(9_000, 60_000))
    return (
        number,
        f"{top[:2].upper()}-{category:02d}-{number:04d}",
        f"40{between(10**10, 10**11 - 1)}",
        name.split()[0],
        None if food else maybe(0.9, pick(words.COLOURS)),
        None if food else pick(words.MATERIALS),
        None if food or cloth else maybe(0.5, pick(words.FINISHES)),
        None if food else maybe(0.6, pick(words.STYLES)),
        pick(words.PATTERNS) if cloth else None,
        pick(("XS", "S", "M", "L", "XL", "one size")) if cloth else None,
        pick(list(words.COUNTRIES)),
        weight,
        *sides,
        between(2, 40) * 50 if food or "Bottle" in name or "Can" in name else None,
        weight + between(30, 900),
        *(side + 30 for side in sides),
        pick((1, 1, 1, 2, 4, 6)),
        None if food else pick((12, 24, 24, 36, 60)),
        pick((0, 3, 3, 6, 8)) if top == "Children" else None,
        between(4, 30) * 10 if furniture else None,
        pick((3, 5, 7, 9, 12, 40)) if electric else None,
        230 if electric else None,
        maybe(0.5, pick(("AA", "AAA", "Li-ion"))) if electric else None,
        pick("ABCDEF") if electric else None,
        happens(0.4) if top in ("Garden", "Outdoor") else None,
        happens(0.6) if top == "Home" and not cloth else None,
        happens(0.8) if cloth else None,
        happens(0.7),
        maybe(0.7, between(0, 10) * 10),
        happens(0.5) if food or cloth else None,
        happens(0.7) if food else None,
        happens(0.3) if food else None,
        round(weight / 1000 * (0.8 + 3 * chance.share()), 2),
        maybe(0.6, pick(words.CARE)),
        furniture and happens(0.7),
        between(5, 60) if furniture else None,
        f"{between(1000, 9700)}.{between(10, 99)}",
        "flammable" if "Stove" in name else None,
        between(90, 900) if food else None,
        pick((4, 15, 18)) if food else None,
        pick(("spring", "summer", "autumn", "winter")),
        maybe(0.3, " ".join(person(chance, pick(list(words.COUNTRIES))))),
        fragile,
        happens(0.55),
    )
