"""Word lists of the sample shop: people, places, goods and phrases. Data only, written for this project."""

from __future__ import annotations


def _listed(text: str, separator: str | None = None) -> tuple[str, ...]:
    return tuple(text.split(separator))


# code: (country, currency, region, share of the customers, postal code pattern with # for a digit)
COUNTRIES: dict[str, tuple[str, str, str, int, str]] = {
    "DE": ("Germany", "EUR", "Central Europe", 26, "#####"),
    "GB": ("United Kingdom", "GBP", "British Isles", 17, "A## #AA"),
    "FR": ("France", "EUR", "Western Europe", 12, "#####"),
    "NL": ("Netherlands", "EUR", "Western Europe", 10, "#### AA"),
    "SE": ("Sweden", "SEK", "Nordics", 9, "### ##"),
    "DK": ("Denmark", "DKK", "Nordics", 6, "####"),
    "ES": ("Spain", "EUR", "Southern Europe", 6, "#####"),
    "IT": ("Italy", "EUR", "Southern Europe", 5, "#####"),
    "PL": ("Poland", "PLN", "Central Europe", 4, "##-###"),
    "IE": ("Ireland", "EUR", "British Isles", 3, "A## A#A#"),
    "PT": ("Portugal", "EUR", "Southern Europe", 2, "####-###"),
    "NO": ("Norway", "NOK", "Nordics", 0, "####"),
}

DIALLING_CODES = {
    "DE": "+49",
    "GB": "+44",
    "FR": "+33",
    "NL": "+31",
    "SE": "+46",
    "DK": "+45",
    "ES": "+34",
    "IT": "+39",
    "PL": "+48",
    "IE": "+353",
    "PT": "+351",
    "NO": "+47",
}

CITIES: dict[str, str] = {
    "DE": "Berlin Hamburg Munich Cologne Leipzig Freiburg Bremen Nuremberg",
    "GB": "London Manchester Bristol Edinburgh Leeds Cardiff Brighton",
    "FR": "Paris Lyon Marseille Nantes Toulouse Lille",
    "NL": "Amsterdam Utrecht Rotterdam Groningen Eindhoven",
    "SE": "Stockholm Gothenburg Malmö Uppsala Umeå",
    "DK": "Copenhagen Aarhus Odense Aalborg",
    "ES": "Madrid Barcelona Valencia Seville Bilbao",
    "IT": "Milan Rome Turin Bologna Florence",
    "PL": "Warsaw Kraków Wrocław Gdańsk",
    "IE": "Dublin Cork Galway Limerick",
    "PT": "Lisbon Porto Braga Coimbra",
    "NO": "Oslo Bergen Trondheim",
}

FIRST_NAMES: dict[str, str] = {
    "DE": "Anna Lukas Lena Jonas Marie Felix Sophie Paul Tobias Jana Stefan Jörg Birgit Uwe",
    "GB": "Olivia George Amelia Harry Isla Oliver Emily Jack Thomas Priya Imran Hannah Callum Megan",
    "FR": "Camille Louis Manon Hugo Chloé Jules Léa Antoine Élodie Mathieu Inès François Céline Théo",
    "NL": "Sanne Daan Emma Bram Fleur Sem Lotte Thijs Noor Ruben Femke Jeroen Maaike Joost",
    "SE": "Elsa Oscar Alva Erik Maja Nils Ebba Axel Linnéa Gustav Åsa Björn Saga Håkan",
    "DK": "Freja Mads Ida Rasmus Clara Søren Astrid Mikkel Karen Jens Signe Lars",
    "ES": "Lucía Hugo María Pablo Carmen Javier Elena Álvaro Marta Sergio Noelia Íñigo",
    "IT": "Giulia Matteo Sofia Lorenzo Chiara Davide Francesca Marco Elisa Simone Niccolò",
    "PL": "Zofia Jakub Hanna Kacper Maja Piotr Agnieszka Łukasz Magdalena Michał",
    "IE": "Aoife Conor Saoirse Cian Niamh Oisín Róisín Darragh Ciara Eoin",
    "PT": "Beatriz João Inês Tiago Mariana Rui Leonor Gonçalo",
    "NO": "Ingrid Magnus Solveig Henrik Kari Sindre",
}

LAST_NAMES: dict[str, str] = {
    "DE": "Müller Schmidt Schneider Fischer Weber Wagner Becker Hoffmann Schäfer Koch Richter Vogel Böhm",
    "GB": "Smith Jones Taylor Brown Williams Davies Evans Patel Khan Walker Wright Green Hughes O'Connor",
    "FR": "Martin Bernard Dubois Petit Moreau Lefèvre Girard Roux Fontaine Chevalier Garnier Noël",
    "NL": "de Vries|Jansen|van den Berg|Bakker|Visser|Smit|Meijer|Mulder|Bos|Dekker|van Dijk|Kuipers",
    "SE": "Andersson Johansson Karlsson Nilsson Eriksson Lindqvist Bergström Sjöberg Åkesson Nyström",
    "DK": "Jensen Nielsen Hansen Pedersen Sørensen Rasmussen Kjær Holm Lund Østergaard",
    "ES": "García Fernández López Martínez Sánchez Pérez Gómez Navarro Iglesias Ortega Núñez",
    "IT": "Rossi Russo Ferrari Bianchi Romano Colombo Ricci Greco Marino D'Angelo",
    "PL": "Nowak Kowalska Wiśniewski Wójcik Lewandowska Zieliński Mazur Król Jabłońska",
    "IE": "Murphy Kelly Byrne Ryan O'Brien Walsh Doyle Gallagher O'Neill",
    "PT": "Silva Santos Ferreira Pereira Oliveira Costa Carvalho",
    "NO": "Hansen Johansen Olsen Berg Haugen Bakken",
}

STREETS: dict[str, str] = {
    "DE": "Lindenstraße|Gartenweg|Bahnhofstraße|Mühlenallee|Kirchplatz|Am Stadtpark|Rosengasse",
    "GB": "Mill Lane|Station Road|Orchard Close|Victoria Street|Harbour View|Elm Grove|King's Parade",
    "FR": "rue des Tilleuls|avenue de la Gare|rue du Moulin|place du Marché|quai des Brumes|rue Saint-Jean",
    "NL": "Dorpsstraat|Molenweg|Kerkplein|Prinsengracht|Havenkade|Beukenlaan",
    "SE": "Storgatan|Björkvägen|Kyrkogatan|Hamngatan|Ängsvägen",
    "DK": "Nørregade|Skovvej|Strandvejen|Møllegade|Kirkestræde",
    "ES": "calle Mayor|avenida del Puerto|calle de la Luna|plaza Nueva|paseo del Río",
    "IT": "via Roma|via dei Mille|corso Italia|piazza del Duomo|via delle Rose",
    "PL": "ulica Lipowa|ulica Polna|aleja Parkowa|ulica Ogrodowa",
    "IE": "Main Street|Abbey Road|Quay Street|Chapel Lane",
    "PT": "rua das Flores|avenida da Liberdade|rua do Sol|travessa do Carmo",
    "NO": "Storgata|Fjordveien|Kirkegata|Skogveien",
}

# top category: {category: (seasonal peak month, price range, share of sales, nouns)}
CATEGORIES: dict[str, dict[str, tuple[int, tuple[int, int], int, str]]] = {
    "Home": {
        "Kitchen": (
            12,
            (8, 120),
            14,
            "Saucepan|Chopping Board|Teapot|Pepper Mill|Mixing Bowl|Bread Knife",
        ),
        "Lighting": (
            11,
            (18, 190),
            7,
            "Desk Lamp|Lantern|Floor Lamp|Candle Holder|Pendant Light",
        ),
        "Textiles": (11, (12, 140), 9, "Wool Blanket|Cushion|Linen Sheet|Bath Towel|Tablecloth|Curtain"),
        "Storage": (1, (9, 160), 6, "Wall Shelf|Basket|Storage Box|Coat Rack|Shoe Bench"),
    },
    "Garden": {
        "Garden Tools": (
            4,
            (9, 90),
            8,
            "Hand Trowel|Pruning Shears|Watering Can|Garden Fork|Hoe|Wheelbarrow",
        ),
        "Planters": (5, (6, 110), 6, "Terracotta Pot|Planter Box|Hanging Basket|Plant Stand|Window Box"),
        "Outdoor Furniture": (6, (45, 620), 4, "Bench|Folding Chair|Bistro Table|Hammock|Parasol|Deck Chair"),
        "Seeds": (3, (2, 14), 7, "Wildflower Mix|Tomato Seeds|Herb Seeds|Sunflower Seeds|Lettuce Seeds"),
    },
    "Outdoor": {
        "Camping": (7, (12, 480), 6, "Tent|Sleeping Bag|Camping Stove|Headlamp|Cool Box|Sleeping Mat"),
        "Hiking": (8, (9, 210), 6, "Rucksack|Trekking Poles|Water Bottle|Rain Jacket|Trail Map|Hiking Socks"),
        "Cycling": (5, (7, 180), 5, "Bicycle Bell|Pannier|Helmet|Repair Kit|Bicycle Light|Saddle"),
        "Winter Sports": (1, (15, 340), 3, "Sledge|Snowshoes|Wool Hat|Ski Gloves|Ice Skates"),
    },
    "Office": {
        "Stationery": (
            9,
            (2, 48),
            8,
            "Notebook|Fountain Pen|Pencil Set|Desk Calendar|Paper Clips|Sketchbook",
        ),
        "Desks and Chairs": (9, (80, 740), 2, "Standing Desk|Office Chair|Footrest|Monitor Stand"),
        "Bags": (9, (22, 230), 4, "Messenger Bag|Laptop Sleeve|Tote Bag|Day Pack"),
    },
    "Children": {
        "Toys": (
            12,
            (5, 95),
            9,
            "Building Blocks|Wooden Train|Puzzle|Kite|Doll's House|Spinning Top|Marble Run",
        ),
        "Children's Clothing": (9, (9, 70), 4, "Rain Boots|Knitted Jumper|Dungarees|Sun Hat|Mittens"),
    },
    "Pantry": {
        "Coffee and Tea": (
            12,
            (4, 36),
            10,
            "Espresso Beans|Filter Coffee|Green Tea|Herbal Infusion|Earl Grey",
        ),
        "Chocolate": (12, (3, 42), 8, "Dark Chocolate|Pralines|Drinking Chocolate|Nougat Bar|Cocoa Nibs"),
        "Oils and Spices": (10, (4, 38), 5, "Olive Oil|Sea Salt|Smoked Paprika|Curry Blend|Vinegar"),
    },
}

SERIES = _listed(
    "Juniper Fjord Alba Tide Hazel Nordlys Meadow Cinder Larch Pebble Aurora Heron Saffron Willow "
    "Basalt Clover Drift Ember Finch Grove Harvest Isle Kestrel Lumen Maple Nimbus Orchard Poppy "
    "Quartz Rowan Sorrel Thistle"
)
VARIANTS = ("Classic", "Small", "Large", "Deluxe", "Set of 2", "Set of 4", "Mini", "Pro", "Travel", "Refill")

SUPPLIERS = _listed(
    "Nordvik Handverk:NO:Bergen|Atelier Lavande:FR:Lyon|Kessler & Söhne:DE:Leipzig|"
    "Whitby Woodworks:GB:Leeds|Tessitura Valdoro:IT:Turin|Bosch en Duin Bloemen:NL:Utrecht|"
    "Cerámicas del Sur:ES:Seville|Gdańsk Glassworks:PL:Gdańsk|Lindholm Leksaker:SE:Malmö|"
    "Aran Knits:IE:Galway|Porto Cork Company:PT:Porto|Solfanger Lys:DK:Odense|"
    "Alpenlicht Outdoor:DE:Munich|Trailhead Supplies:GB:Bristol|Papeterie Quai 12:FR:Nantes|"
    "Hanse Kontor:DE:Hamburg|Torrefazione Sette Colli:IT:Rome|Kakao Werk Nord:DE:Bremen|"
    "Fietsgoed:NL:Groningen|Skogens Ull:SE:Umeå|Green Furrow Seeds:GB:Cardiff|Maison Boréal:FR:Lille",
    "|",
)

JOB_TITLES = ("Sales Assistant", "Senior Sales Assistant", "Cashier", "Stock Clerk", "Customer Adviser")
SEGMENTS = (("private", 78), ("business", 14), ("school", 5), ("staff", 3))
PAYMENT_METHODS = (("card", 52), ("paypal", 22), ("invoice", 15), ("bank transfer", 8), ("gift card", 3))
RETURN_REASONS = (
    ("wrong size", 26),
    ("damaged in transit", 20),
    ("not as described", 16),
    ("changed mind", 30),
    ("arrived too late", 8),
)
COLOURS = _listed(
    "oak white black moss-green sky-blue terracotta sand charcoal brick-red mustard natural navy"
)
MATERIALS = _listed(
    "beech wood|stainless steel|cotton|linen|wool|ceramic|glass|recycled plastic|cork|bamboo|leather",
    "|",
)
FINISHES = ("matt", "gloss", "brushed", "oiled", "lacquered", "raw")
STYLES = ("Scandinavian", "rustic", "modern", "industrial", "classic")
PATTERNS = ("plain", "striped", "checked", "floral", "dotted")
CARE = (
    "Wipe clean with a damp cloth.",
    "Wash at 30 degrees.",
    "Hand wash only.",
    "Oil once a year.",
    "Keep cool and dry.",
)
ORDER_NOTES = (
    "Please leave with the neighbour.",
    "Gift: do not include the invoice.",
    "Ring the bell twice.",
    "Deliver after 5 pm.",
    "Call before delivery.",
)

# rating: titles and sentences of reviews
REVIEWS: dict[int, tuple[str, str]] = {
    5: ("Wonderful|Exactly right|Would buy again", "Even better than in the picture.|A gift that was loved."),
    4: ("Very good|Solid|Happy with it", "Good quality, delivery took a while.|Does what it should."),
    3: ("All right|Average|Mixed feelings", "Fine for the price.|The colour differs from the photo."),
    2: ("Disappointing|Not great", "Feels cheaper than expected.|It wobbles."),
    1: ("Broken on arrival|Never again", "Came damaged and support was slow.|Broke after a week."),
}
