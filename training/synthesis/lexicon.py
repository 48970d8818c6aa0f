"""Words of English for what schemas name: synonyms, adjectives of measures, words of places and codes.

Plain data, written by hand. A word missing here makes questions less varied, never wrong.
"""

from __future__ import annotations

ABBREVIATIONS = {
    "addr": "address", "amt": "amount", "avg": "average", "cnt": "count", "ctry": "country",
    "cust": "customer", "dept": "department", "desc": "description", "dob": "date of birth", "dt": "date",
    "emp": "employee", "fname": "first name", "gpa": "GPA", "id": "id", "img": "image", "lat": "latitude",
    "lname": "last name", "lng": "longitude", "loc": "location", "max": "maximum", "mgr": "manager",
    "mid": "middle", "min": "minimum", "nbr": "number", "no": "number", "num": "number",
    "org": "organization", "pct": "percentage", "pop": "population", "prod": "product", "prof": "professor",
    "qty": "quantity", "ref": "", "sal": "salary", "stu": "student", "tel": "telephone",
    "temp": "temperature", "univ": "university", "yr": "year",
}  # fmt: skip

_SYNONYMS = """
actor: performer
address: location, street address
age: age in years
airline: carrier
airport: airfield
album: record
amount: sum, quantity
apartment: flat
area: region
artist: musician
author: writer
balance: account balance
bank: lender
book: volume
brand: make
budget: funds
building: property
capacity: seating capacity, size
car: automobile, vehicle
category: type, kind, class
channel: station
cinema: movie theater
city: town
client: customer
color: colour
colour: color
company: firm, business, enterprise
competition: contest
concert: show, gig
cost: price, expense
country: nation
county: district
course: class
customer: client, buyer
department: division, unit
description: details
designation: job title
destination: place of arrival
director: filmmaker
discount: reduction
district: area
doctor: physician
document: file, paper
driver: racer
duration: length
earnings: income
election: vote
email: email address, e-mail
employee: worker, staff member
enrollment: number of students
event: occasion
faculty: teaching staff
fee: charge
film: movie
first name: given name, forename
flight: plane trip
game: match
gender: sex
genre: style, kind of music
grade: mark
height: size
hire date: date of hire
home town: place of origin
hometown: home city
hospital: clinic
hotel: inn
income: earnings
instructor: teacher, lecturer
invoice: bill
item: article
job: position, occupation
language: tongue
last name: surname, family name
length: duration
level: stage
location: place
manager: boss, head
manufacturer: maker, producer
match: game
mayor: head of the city
member: participant
model: version
mountain: peak
movie: film
nationality: country of origin
note: remark
nurse: caregiver
order: purchase
origin: place of origin
owner: proprietor
painting: picture, artwork
parent: guardian
party: political party
patient: sick person
payment: sum paid
people: persons
person: individual
phone: phone number, telephone number
photo: picture
physician: doctor
player: sportsperson
population: number of inhabitants, number of people
position: role
price: cost
product: item, article
professor: lecturer
profit: gain, earnings
program: show
publisher: publishing house
quantity: amount
race: contest
rank: ranking, place
rating: score
region: area
restaurant: eatery, place to eat
result: outcome
review: critique
river: stream
role: part, position
room: chamber
salary: pay, wage
sale: transaction
sales: revenue
school: academy
score: points, mark
sex: gender
ship: vessel
shop: store
singer: vocalist
song: track
source: origin
sport: kind of sport
stadium: arena, venue
staff: employees
star: rating
state: province
station: stop
status: state
store: shop
street: road
student: pupil
supplier: vendor
surname: last name, family name
teacher: instructor
team: squad, club
template: layout
theme: topic
ticket: pass
title: name
track: song
train: railway train
transaction: money movement
treatment: therapy
type: kind
university: college
user: account holder
vehicle: car
venue: place
village: settlement
visitor: guest
volume: amount
vote: ballot
wage: pay
weight: body weight
winery: vineyard
worker: employee
"""

SYNONYMS: dict[str, tuple[str, ...]] = {
    word: tuple(other.strip() for other in others.split(","))
    for word, others in (line.split(": ") for line in _SYNONYMS.strip().splitlines())
}
"""Other words for a noun. Loose ones are meant: people do not use the words of the schema."""

# More, most, less, least of a measure, by a word of its name.
_ADJECTIVES = """
age: older, oldest, younger, youngest
area: larger, largest, smaller, smallest
capacity: bigger, biggest, smaller, smallest
cost: more expensive, most expensive, cheaper, cheapest
distance: longer, longest, shorter, shortest
duration: longer, longest, shorter, shortest
elevation: higher, highest, lower, lowest
fare: more expensive, most expensive, cheaper, cheapest
fee: more expensive, most expensive, cheaper, cheapest
height: taller, tallest, shorter, shortest
length: longer, longest, shorter, shortest
population: larger, largest, smaller, smallest
price: more expensive, most expensive, cheaper, cheapest
rating: better rated, best rated, worse rated, worst rated
salary: better paid, best paid, worse paid, worst paid
score: better, best, worse, worst
size: larger, largest, smaller, smallest
speed: faster, fastest, slower, slowest
wage: better paid, best paid, worse paid, worst paid
weight: heavier, heaviest, lighter, lightest
"""

ADJECTIVES: dict[str, tuple[str, str, str, str]] = {}
for _line in _ADJECTIVES.strip().splitlines():
    _word, _forms = _line.split(": ")
    _more, _most, _less, _least = _forms.split(", ")
    ADJECTIVES[_word] = (_more, _most, _less, _least)

TIME_ADJECTIVES = ("more recent", "most recent", "older", "oldest")
"""Of years and dates."""

BIRTH_ADJECTIVES = ("younger", "youngest", "older", "oldest")
"""Of a date or year of birth: the later, the younger."""

HAPPENINGS = {
    "birth": "born", "built": "built", "built year": "built", "closing": "closed", "construction": "built",
    "creation": "created", "delivery": "delivered", "end": "ended", "establishment": "established",
    "founding": "founded", "founded": "founded", "hire": "hired", "made": "made", "opening": "opened",
    "order": "ordered", "payment": "paid", "production": "produced", "publication": "published",
    "purchase": "bought", "registration": "registered", "release": "released", "shipment": "shipped",
    "start": "started",
}  # fmt: skip
"""What happened on a date, or in a year, by a word of its name."""

UNITS = frozenset("mm cm m km g kg mg lb f c mph kmh usd eur dollars euros miles ms bytes mb gb sqft".split())
"""Words at the end of a column's name that tell only its unit."""

MONEY = frozenset(
    """price cost amount revenue salary budget fee income sales payment wage total earnings profit debt assets
    charge charges spent balance""".split()
)
"""Words of columns whose numbers people say with a currency."""
CURRENCIES = ("euros", "euro", "dollars", "EUR", "USD")

SOLD = frozenset("quantity qty sold units sales".split())
"""Words of columns that tell how much of something was sold."""

PLACES = frozenset(
    "city country state county region district province town nationality location continent hometown origin "
    "village area".split()
)
"""Words of columns whose values answer "from where" or "in what place"."""

VALUE_WORDS = {"f": "female", "m": "male"}
"""What a code of a gender column is called."""
YES = frozenset({"y", "yes", "t", "true", "1"})
NO = frozenset({"n", "no", "f", "false", "0"})

PEOPLE = frozenset(
    """person people student teacher employee singer actor artist author customer client user player member
    driver worker manager doctor physician patient nurse professor instructor owner staff coach director
    politician representative pilot engineer reviewer faculty candidate guest host scientist parent
    athlete swimmer wrestler journalist editor researcher lecturer participant mayor boss""".split()
)
"""Nouns that take "who" rather than "that"."""


def _listed(text: str) -> tuple[str, ...]:
    return tuple(" ".join(item.split()) for item in text.split(","))


FOREIGN_MEASURES = _listed(
    """blood pressure, shoe size, carbon footprint, horsepower, body mass index, credit limit, tax rate,
    interest rate, waiting time, number of followers, number of siblings, water consumption, melting point,
    wing span, calorie count, battery life, insurance premium, fuel consumption, rainfall, altitude, heart
    rate, screen size, number of pages, parking fee, noise level, growth rate, turnover, depth, download
    count, commission, mortality rate, overtime, thickness, voltage, market share, pension"""
)
"""Numbers that few databases hold."""

FOREIGN_QUALITIES = _listed(
    """favorite color, blood type, religion, passport number, native language, marital status, eye color, hair
    color, zodiac sign, nickname, home page, time zone, dress code, license plate, warranty, patron saint,
    allergy, education level, political view, hobby, currency, climate, fabric, pet name, shipping carrier,
    return policy, password, voicemail, vaccine, ingredient, motto, wifi password, fingerprint, diet,
    tattoo, maiden name, sponsor, barcode, flavor, anthem"""
)
"""Qualities that few databases hold."""

FOREIGN_THINGS = _listed(
    """volcano, pharmacy, submarine, lawsuit, satellite, recipe, vineyard, podcast, museum, castle, dinosaur,
    bakery, wind turbine, lighthouse, orchestra, spaceship, bee hive, traffic light, swimming pool,
    greenhouse, glacier, trade union, mosquito, chess board, embassy, coral reef, elevator, newspaper,
    sculpture, dentist, refugee, bulldozer, parking lot, subway line, fossil"""
)
"""Things that few databases hold."""

QUANTITIES = frozenset(
    """rating score price grade mark vote salary wage payment cost fee budget income revenue sale stock
    balance measurement reading temperature""".split()
)
"""What a table may be called whose rows hold one number: people call the number so too."""
