"""Places, staff and customers of the sample shop."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from . import words
from .chance import Chance, Weighted

Row = tuple[Any, ...]

FIRST_DAY = date(2022, 1, 1)
LAST_DAY = date(2025, 12, 31)
CUSTOMERS = 2_000

_STORE_PLACES = ("DE:Berlin", "DE:Hamburg", "GB:London", "FR:Lyon", "NL:Utrecht", "SE:Stockholm", "DK:Aarhus")
_SEGMENTS = Weighted(words.SEGMENTS)


@dataclass(frozen=True)
class Places:
    """Rows of countries and stores; the online shop is store 1 and has no city."""

    countries: list[Row]
    stores: list[Row]


@dataclass(frozen=True)
class Customers:
    """Rows of customers and addresses; `homes`: each customer's address ids, the first for invoices."""

    customers: list[Row]
    addresses: list[Row]
    homes: list[list[int]]


def make_places() -> Places:
    stores: list[Row] = [(1, "Online", "online", None, None, date(2019, 3, 1))]
    for number, place in enumerate(_STORE_PLACES, 2):
        code, city = place.split(":")
        opened = date(2014, 5, 1) + timedelta(days=390 * (number - 2))
        stores.append((number, f"{city} {'Market' if number % 2 else 'Station'}", "shop", city, code, opened))
    return Places([(code, *facts[:3]) for code, facts in words.COUNTRIES.items()], stores)


def make_staff(chance: Chance, stores: list[Row]) -> list[Row]:
    """Rows of employees: a director, a manager per store, then the others, of whom some have left."""
    staff: list[Row] = [
        (1, "Solveig", "Haugen", "Managing Director", 1, None, date(2014, 3, 1), None, Decimal(9800))
    ]
    for store, _, _, _, code, opened in stores:
        salary = Decimal(chance.between(420, 560) * 10)
        name = person(chance, code or "DE")
        staff.append((len(staff) + 1, *name, "Store Manager", store, 1, opened, None, salary))
    for store, _, _, _, code, opened in stores:
        for _ in range(chance.between(5, 9)):
            start = max(opened, date(2018, 1, 1)) + timedelta(days=chance.between(0, 2200))
            start = min(start, date(2025, 3, 1))
            left = start + timedelta(days=chance.between(300, 1900)) if chance.happens(0.3) else None
            left = left if left and left < LAST_DAY else None
            title, salary = chance.pick(words.JOB_TITLES), Decimal(chance.between(230, 360) * 10)
            name = person(chance, code or "DE")
            staff.append((len(staff) + 1, *name, title, store, 1 + store, start, left, salary))
    return staff


def make_customers(chance: Chance) -> Customers:
    """Customers by country, with one to three addresses each; some tell neither birthday nor phone."""
    made = Customers([], [], [])
    countries = Weighted((code, facts[3]) for code, facts in words.COUNTRIES.items())
    for number in range(1, CUSTOMERS + 1):
        code = chance.weighted(countries)
        first, last = person(chance, code)
        born = date(1945, 1, 1) + timedelta(days=int(22_000 * (0.25 + 0.75 * chance.share())))
        registered = FIRST_DAY + timedelta(days=int(chance.share() ** 1.25 * 1400) - 120)
        email = chance.maybe(0.94, _email(first, last, number))
        phone = chance.maybe(0.62, f"{words.DIALLING_CODES[code]} {chance.between(10**8, 10**9)}")
        born = chance.maybe(0.78, born)
        segment, newsletter = chance.weighted(_SEGMENTS), chance.happens(0.41)
        made.customers.append((number, first, last, email, phone, born, registered, segment, newsletter))
        homes: list[int] = []
        for _ in range(1 + chance.happens(0.32) + chance.happens(0.12)):
            homes.append(len(made.addresses) + 1)
            made.addresses.append((homes[-1], number, *_address(chance, code)))
        made.homes.append(homes)
    return made


def person(chance: Chance, code: str) -> tuple[str, str]:
    """First and last name as they are common in that country."""
    lasts = words.LAST_NAMES[code]
    last = chance.pick(lasts.split("|") if "|" in lasts else lasts.split())
    return chance.pick(words.FIRST_NAMES[code].split()), last


def _address(chance: Chance, code: str) -> Row:
    cities = words.CITIES[code].split()
    city = cities[int(chance.share() ** 1.8 * len(cities))]  # the first cities are the biggest
    street, number = chance.pick(words.STREETS[code].split("|")), chance.between(1, 148)
    line = f"{number} {street}" if code in ("GB", "IE", "FR") else f"{street} {number}"
    signs = {"#": lambda: str(chance.between(0, 9)), "A": lambda: chr(chance.between(65, 88))}
    postal = "".join(signs[sign]() if sign in signs else sign for sign in words.COUNTRIES[code][4])
    return line, postal, city, code


def _email(first: str, last: str, number: int) -> str:
    folded = unicodedata.normalize("NFKD", f"{first}.{last}".lower().replace("ø", "o").replace("ł", "l"))
    name = "".join(sign for sign in folded if sign.isascii() and (sign.isalnum() or sign == "."))
    return f"{name}{number % 89 + 10}@example.{('com', 'org', 'net')[number % 3]}"
