"""The tables, view and comments of the sample shop, in the order in which they are filled."""

from __future__ import annotations

TABLES: dict[str, str] = {
    "countries": """
        country_code VARCHAR PRIMARY KEY, name VARCHAR NOT NULL, currency VARCHAR NOT NULL,
        region VARCHAR NOT NULL
    """,
    "stores": """
        store_id INTEGER PRIMARY KEY, name VARCHAR NOT NULL, kind VARCHAR NOT NULL, city VARCHAR,
        country_code VARCHAR REFERENCES countries (country_code), opened_on DATE NOT NULL
    """,
    "employees": """
        employee_id INTEGER PRIMARY KEY, first_name VARCHAR NOT NULL, last_name VARCHAR NOT NULL,
        job_title VARCHAR NOT NULL, store_id INTEGER NOT NULL REFERENCES stores (store_id),
        manager_id INTEGER REFERENCES employees (employee_id), hired_on DATE NOT NULL, left_on DATE,
        monthly_salary DECIMAL(8, 2) NOT NULL
    """,
    "customers": """
        customer_id INTEGER PRIMARY KEY, first_name VARCHAR NOT NULL, last_name VARCHAR NOT NULL,
        email VARCHAR,
        phone VARCHAR, birth_date DATE, registered_on DATE NOT NULL, segment VARCHAR NOT NULL,
        newsletter BOOLEAN NOT NULL
    """,
    "addresses": """
        address_id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (customer_id),
        street VARCHAR NOT NULL, postal_code VARCHAR NOT NULL, city VARCHAR NOT NULL,
        country_code VARCHAR NOT NULL REFERENCES countries (country_code)
    """,
    "categories": """
        category_id INTEGER PRIMARY KEY, name VARCHAR NOT NULL,
        parent_category_id INTEGER REFERENCES categories (category_id)
    """,
    "suppliers": """
        supplier_id INTEGER PRIMARY KEY, name VARCHAR NOT NULL, contact_name VARCHAR NOT NULL,
        city VARCHAR NOT NULL,
        country_code VARCHAR NOT NULL REFERENCES countries (country_code)
    """,
    "products": """
        product_id INTEGER PRIMARY KEY, name VARCHAR NOT NULL,
        category_id INTEGER NOT NULL REFERENCES categories (category_id),
        supplier_id INTEGER NOT NULL REFERENCES suppliers (supplier_id), price DECIMAL(8, 2) NOT NULL,
        cost DECIMAL(8, 2) NOT NULL, introduced_on DATE NOT NULL, discontinued_on DATE
    """,
    "product_details": """
        product_id INTEGER PRIMARY KEY REFERENCES products (product_id), sku VARCHAR NOT NULL,
        ean VARCHAR NOT NULL,
        series VARCHAR, colour VARCHAR, material VARCHAR, finish VARCHAR, style VARCHAR, pattern VARCHAR,
        size_label VARCHAR, country_of_origin VARCHAR REFERENCES countries (country_code), weight_g INTEGER,
        length_mm INTEGER, width_mm INTEGER, height_mm INTEGER, volume_ml INTEGER, package_weight_g INTEGER,
        package_length_mm INTEGER, package_width_mm INTEGER, package_height_mm INTEGER,
        units_per_package INTEGER,
        warranty_months INTEGER, min_age_years INTEGER, max_load_kg INTEGER, power_watts INTEGER,
        voltage INTEGER,
        battery_type VARCHAR, energy_class VARCHAR, water_resistant BOOLEAN, dishwasher_safe BOOLEAN,
        machine_washable BOOLEAN, recyclable BOOLEAN, recycled_share_percent INTEGER, organic BOOLEAN,
        vegan BOOLEAN,
        fair_trade BOOLEAN, co2_kg DOUBLE, care_instructions VARCHAR, assembly_required BOOLEAN,
        assembly_minutes INTEGER, customs_code VARCHAR, hazard_class VARCHAR, shelf_life_days INTEGER,
        storage_temperature_c INTEGER, launch_season VARCHAR, designer VARCHAR, fragile BOOLEAN,
        gift_wrap BOOLEAN
    """,
    "orders": """
        order_id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (customer_id),
        store_id INTEGER NOT NULL REFERENCES stores (store_id),
        employee_id INTEGER REFERENCES employees (employee_id),
        billing_address_id INTEGER NOT NULL REFERENCES addresses (address_id),
        shipping_address_id INTEGER NOT NULL REFERENCES addresses (address_id), order_date DATE NOT NULL,
        shipped_date DATE, delivered_date DATE, status VARCHAR NOT NULL, shipping_cost DECIMAL(6,
        2) NOT NULL,
        note VARCHAR
    """,
    "order_items": """
        order_id INTEGER NOT NULL REFERENCES orders (order_id), line_number INTEGER NOT NULL,
        product_id INTEGER NOT NULL REFERENCES products (product_id), quantity INTEGER NOT NULL,
        unit_price DECIMAL(8, 2) NOT NULL, discount_percent INTEGER NOT NULL, PRIMARY KEY (order_id,
        line_number)
    """,
    "payments": """
        payment_id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders (order_id),
        paid_on DATE NOT NULL, amount DECIMAL(10, 2) NOT NULL, method VARCHAR NOT NULL
    """,
    "returns": """
        return_id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, line_number INTEGER NOT NULL,
        returned_on DATE NOT NULL, quantity INTEGER NOT NULL, reason VARCHAR, refund DECIMAL(10,
        2) NOT NULL,
        FOREIGN KEY (order_id, line_number) REFERENCES order_items (order_id, line_number)
    """,
    "reviews": """
        review_id INTEGER PRIMARY KEY, product_id INTEGER NOT NULL REFERENCES products (product_id),
        customer_id INTEGER NOT NULL REFERENCES customers (customer_id), rating INTEGER NOT NULL,
        title VARCHAR,
        body VARCHAR, reviewed_on DATE NOT NULL
    """,
}
"""Table name to the inside of its CREATE TABLE."""

AFTERWARDS: tuple[str, ...] = (
    """
    CREATE VIEW monthly_revenue AS
    SELECT date_trunc('month', o.order_date)::DATE AS month, count(DISTINCT o.order_id) AS orders,
        sum(round(i.quantity * i.unit_price * (100 - i.discount_percent) / 100, 2))::DECIMAL(12,
        2) AS revenue
    FROM orders AS o JOIN order_items AS i ON i.order_id = o.order_id
    WHERE o.status <> 'cancelled' GROUP BY 1 ORDER BY 1
    """,
    "COMMENT ON TABLE stores IS 'Shops, and the online shop (kind online, without a city)'",
    "COMMENT ON TABLE product_details IS 'One row per product; what does not apply to a product is NULL'",
    "COMMENT ON TABLE orders IS 'One row per order, cancelled ones included (see status)'",
    "COMMENT ON TABLE returns IS 'Returned order lines'",
    "COMMENT ON VIEW monthly_revenue IS 'Orders and revenue per month after discounts, none cancelled'",
    "COMMENT ON COLUMN employees.manager_id IS 'The employee this one reports to'",
    "COMMENT ON COLUMN employees.left_on IS 'Last working day; NULL for present staff'",
    "COMMENT ON COLUMN customers.segment IS 'private, business, school or staff'",
    "COMMENT ON COLUMN categories.parent_category_id IS 'NULL for the top categories'",
    "COMMENT ON COLUMN products.price IS 'List price of 2025 in EUR, VAT included'",
    "COMMENT ON COLUMN products.cost IS 'What the shop pays for one unit, in EUR'",
    "COMMENT ON COLUMN product_details.co2_kg IS 'Carbon footprint of one unit in kg CO2e'",
    "COMMENT ON COLUMN orders.employee_id IS 'Who sold it; NULL for online orders'",
    "COMMENT ON COLUMN orders.billing_address_id IS 'Where the invoice goes'",
    "COMMENT ON COLUMN orders.shipping_address_id IS 'Where the parcel goes'",
    "COMMENT ON COLUMN orders.shipped_date IS 'NULL while processing and for cancelled orders'",
    "COMMENT ON COLUMN order_items.unit_price IS 'Price of one unit when ordered, before discount, EUR'",
    "COMMENT ON COLUMN reviews.rating IS '1 (worst) to 5 (best)'",
)
