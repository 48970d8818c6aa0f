# ruff: noqa: E501 - one query a line reads better than a wrapped one
"""Analytics queries that a guard must let through unchanged, over the database of `attack_database.py`.

Data only. A guard that refuses good analytics is as bad as one that lets an attack pass, so every construct
an analyst reaches for is here at least once: percentiles, nested CTEs, window frames, FILTER, QUALIFY,
PIVOT, list functions and lambdas, date arithmetic, JSON, grouping sets, set operations, correlated
subqueries, text search. `benchmarks/safety.py` runs each directly and through the guard, and the rows must
be the same.
"""

from __future__ import annotations

ANSI = (
    "SELECT count(*) FROM customers",
    "SELECT count(*) AS n, avg(total), min(total), max(total), sum(total) FROM orders",
    "SELECT * FROM products ORDER BY price DESC, id LIMIT 5",
    "SELECT p.* FROM products AS p WHERE p.price > (SELECT avg(price) FROM products) ORDER BY p.id",
    "SELECT DISTINCT country FROM customers ORDER BY country",
    "SELECT c.name, count(o.id) AS n FROM customers c LEFT JOIN orders o ON o.customer_id = c.id "
    "GROUP BY c.id, c.name HAVING count(o.id) > 2 ORDER BY n DESC, c.name",
    "SELECT category, round(avg(price), 2) AS mean FROM products GROUP BY category ORDER BY 2 DESC, 1",
    "SELECT status, count(*) FILTER (WHERE total > 100) AS big FROM orders GROUP BY status ORDER BY status",
    "SELECT name FROM customers WHERE city LIKE 'B%' AND NOT country IN ('FR', 'ES') ORDER BY name",
    "SELECT name FROM customers WHERE city IS NULL OR country IS NOT NULL ORDER BY id LIMIT 3 OFFSET 2",
    "SELECT name FROM customers WHERE id BETWEEN 3 AND 7 ORDER BY id",
    "SELECT name FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id AND "
    "o.total > 200) ORDER BY name",
    "SELECT name FROM customers WHERE id NOT IN (SELECT customer_id FROM orders) ORDER BY name",
    "SELECT id FROM orders UNION SELECT id FROM products ORDER BY id",
    "SELECT city FROM customers UNION ALL SELECT department FROM employees ORDER BY 1",
    "SELECT id FROM customers INTERSECT SELECT customer_id FROM orders ORDER BY id",
    "SELECT id FROM customers EXCEPT SELECT customer_id FROM orders ORDER BY id",
    "SELECT CASE WHEN total < 50 THEN 'small' WHEN total < 150 THEN 'medium' ELSE 'large' END AS size, "
    "count(*) FROM orders GROUP BY 1 ORDER BY 1",
    "WITH monthly AS (SELECT customer_id, sum(total) AS spent FROM orders GROUP BY customer_id), "
    "top AS (SELECT * FROM monthly ORDER BY spent DESC, customer_id LIMIT 5) "
    "SELECT c.name, t.spent FROM top t JOIN customers c ON c.id = t.customer_id ORDER BY t.spent DESC, c.name",
    "WITH a AS (WITH b AS (SELECT id, total FROM orders) SELECT * FROM b WHERE total > 20) "
    "SELECT count(*) FROM a",
    "WITH RECURSIVE chain(id, name, depth) AS (SELECT id, name, 0 FROM employees WHERE manager_id IS NULL "
    "UNION ALL SELECT e.id, e.name, c.depth + 1 FROM employees e JOIN chain c ON e.manager_id = c.id) "
    "SELECT depth, count(*) FROM chain GROUP BY depth ORDER BY depth",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT sum(i) FROM n",
    "SELECT id, row_number() OVER (PARTITION BY customer_id ORDER BY ordered, id) AS nth FROM orders ORDER BY id",
    "SELECT id, total, sum(total) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS moving "
    "FROM orders ORDER BY id",
    "SELECT id, rank() OVER w AS r, dense_rank() OVER w AS d FROM orders WINDOW w AS (PARTITION BY status "
    "ORDER BY total DESC) ORDER BY id",
    "SELECT id, lag(total, 1, 0) OVER (ORDER BY id) AS previous, lead(total) OVER (ORDER BY id) AS next "
    "FROM orders ORDER BY id",
    "SELECT id, ntile(4) OVER (ORDER BY total, id) AS quartile, first_value(id) OVER (ORDER BY total, id) "
    "FROM orders ORDER BY id",
    "SELECT id, avg(total) OVER (ORDER BY id RANGE BETWEEN 3 PRECEDING AND 3 FOLLOWING EXCLUDE CURRENT ROW) "
    "FROM orders ORDER BY id",
    "SELECT * FROM (VALUES (1, 'one'), (2, 'two')) AS v ORDER BY 1",
    "VALUES (1, 'a'), (2, 'b')",
    "SELECT upper(name), lower(name), length(name), substr(name, 1, 3), replace(name, 'a', '_'), trim(name) "
    "FROM customers ORDER BY id",
    "SELECT name || ' from ' || coalesce(city, 'nowhere') FROM customers ORDER BY id",
    "SELECT nullif(status, 'open'), abs(-total), round(total / 7, 3), total * 1.19 FROM orders ORDER BY id",
    "SELECT CAST(total AS INTEGER), CAST(id AS VARCHAR) FROM orders ORDER BY id",
    "SELECT a.name, b.name FROM employees a JOIN employees b ON a.manager_id = b.id ORDER BY a.id",
    "SELECT o.id, p.name FROM orders o JOIN order_items i ON i.order_id = o.id JOIN products p "
    "ON p.id = i.product_id WHERE o.total > 100 ORDER BY o.id, p.id",
    "SELECT count(*) FROM orders CROSS JOIN products",
    "SELECT o.customer_id, i.quantity FROM orders o JOIN order_items i ON o.id = i.order_id, products p "
    "WHERE p.id = i.product_id AND p.price > 10 ORDER BY o.id, i.product_id, 2",
    "SELECT order_id, sum(quantity) FROM orders JOIN (SELECT quantity * 2 AS twice, * FROM order_items) x "
    "ON x.order_id = orders.id GROUP BY order_id ORDER BY order_id",
    "SELECT (SELECT max(total) FROM orders o WHERE o.customer_id = c.id) AS best FROM customers c ORDER BY c.id",
    'SELECT "unit price" FROM "order details" WHERE "select" > 1 ORDER BY 1',
    'SELECT d."unit price" * d."select" AS "Größe total" FROM "order details" AS d ORDER BY 1',
    'SELECT größe FROM "Straße" ORDER BY größe',
    "SELECT '; DROP TABLE customers' AS text",
    "SELECT '/* not a comment */ -- nor this', 'it''s', '\\n', '\"quoted\"'",
    "SELECT 1 -- a comment\n + 1 /* another */ AS two",
    "SELECT id % 3 AS m, count(*), count(DISTINCT customer_id), sum(DISTINCT customer_id) FROM orders GROUP BY m ORDER BY m",
    "SELECT 1e3, .5, 0.1 + 0.2, -3, - -3, +4, 7 / 2, 7 % 4, 3 <> 4, NOT (1 = 2)",
    "SELECT total FROM orders WHERE (status = 'open' OR status = 'paid') AND NOT total < 20 ORDER BY total, id",
    "SELECT count(*) FROM orders WHERE ordered >= '2024-03-01' AND ordered < '2024-06-01'",
    "SELECT name AS total FROM customers ORDER BY total LIMIT 3",
    "SELECT sum(total) OVER (PARTITION BY status) - total AS rest, id FROM orders ORDER BY id",
    "SELECT status FROM orders GROUP BY status ORDER BY count(*) DESC, status LIMIT 1",
)
"""Standard SQL: for both engines."""

DUCKDB = (
    "(SELECT id FROM customers ORDER BY id LIMIT 2) UNION ALL SELECT id FROM products WHERE id > 10 ORDER BY 1",
    "FROM customers",
    "FROM orders SELECT status, count(*) GROUP BY ALL ORDER BY ALL",
    "SELECT status, region, sum(total) FROM orders GROUP BY ALL ORDER BY ALL",
    "SELECT * EXCLUDE (email) FROM customers ORDER BY id",
    "SELECT * REPLACE (upper(name) AS name) FROM customers ORDER BY id",
    "SELECT * RENAME (name AS who) FROM customers ORDER BY id",
    "SELECT COLUMNS('.*_id') FROM order_items ORDER BY ALL",
    "SELECT min(COLUMNS(*)) FROM order_items",
    "SELECT COLUMNS(lambda c: c LIKE '%_id') FROM order_items ORDER BY ALL",
    "SELECT coalesce(*COLUMNS(['quantity', 'order_id'])), concat(*COLUMNS('.*_id')) FROM order_items ORDER BY ALL",
    "SELECT COLUMNS(* EXCLUDE (email)) FROM customers ORDER BY id",
    "SELECT median(total), quantile_cont(total, 0.9), quantile_cont(total, [0.25, 0.75]), mode(region) FROM orders",
    "SELECT (p).name, (SELECT struct_pack(a := 1)).a, p.attributes FROM products p ORDER BY p.id",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total) FROM orders",
    "SELECT status, approx_quantile(id, 0.5), stddev(total), var_samp(total), mad(total) FROM orders "
    "GROUP BY status ORDER BY status",
    "SELECT id, total FROM orders QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY total DESC, id) = 1 "
    "ORDER BY id",
    "SELECT arg_max(name, price), arg_min(name, price), max_by(name, price), max(price, 2) FROM products",
    "SELECT date_trunc('month', ordered) AS m, sum(total) FROM orders GROUP BY m ORDER BY m",
    "SELECT ordered + INTERVAL 1 MONTH, ordered - INTERVAL '3 days', ordered + INTERVAL (id) DAY FROM orders "
    "ORDER BY id",
    "SELECT date_diff('day', ordered, DATE '2024-12-31'), datediff('month', ordered, DATE '2024-12-31'), "
    "date_part('year', ordered), extract(month FROM ordered), year(ordered), dayname(ordered) FROM orders ORDER BY id",
    "SELECT strftime(ordered, '%Y-%m') AS m, count(*) FROM orders GROUP BY m ORDER BY m",
    "SELECT strptime('2024-02-29', '%Y-%m-%d')::DATE, make_date(2024, 2, 29), last_day(DATE '2024-02-01'), "
    "TIMESTAMP '2024-01-01 10:00:00' + INTERVAL 90 MINUTE, epoch(TIMESTAMP '2024-01-01 00:00:00'), "
    "epoch_ms(TIMESTAMP '2024-01-01 00:00:00'), to_timestamp(0) AT TIME ZONE 'UTC', "
    "time_bucket(INTERVAL '1 week', DATE '2024-01-10'), age(DATE '2024-01-10', DATE '2023-01-01')::VARCHAR",
    "SELECT name, tags, len(tags), tags[1], tags[-1], tags[1:2] FROM products ORDER BY id",
    "SELECT name, list_transform(tags, lambda t: upper(t)), list_filter(tags, lambda t: t <> 'new') FROM products "
    "ORDER BY id",
    "SELECT list_sort([3, 1, 2]), list_reverse_sort([1, 2]), list_distinct([1, 1]), list_aggregate([1, 2], 'sum'), "
    "list_contains([1, 2], 2), list_sum([1, 2]), array_to_string(['a', 'b'], '-'), flatten([[1], [2]]), "
    "list_reduce([1, 2, 3], lambda x, y: x + y), [x * 2 FOR x IN [1, 2, 3] IF x > 1]",
    "SELECT unnest(tags) AS tag, count(*) AS n FROM products GROUP BY tag ORDER BY n DESC, tag",
    "SELECT p.name, t.tag FROM products p, unnest(p.tags) AS t(tag) ORDER BY p.id, t.tag",
    "SELECT p.name, t.tag FROM products p CROSS JOIN LATERAL (SELECT unnest(p.tags) AS tag) t ORDER BY ALL",
    "SELECT status, list(id ORDER BY id), string_agg(id::VARCHAR, ',' ORDER BY id), array_agg(DISTINCT region "
    "ORDER BY region), group_concat(id ORDER BY id) FROM orders GROUP BY status ORDER BY status",
    "SELECT attributes->>'$.colour', attributes->'$.size', attributes.colour, json_extract(attributes, '$.size'), "
    "json_extract_string(attributes, 'colour'), json_type(attributes), json_keys(attributes) FROM products ORDER BY id",
    "SELECT (attributes->>'colour') = 'red' AS red, count(*) FROM products GROUP BY ALL ORDER BY ALL",
    "SELECT to_json(p) FROM products p ORDER BY id LIMIT 2",
    "SELECT p FROM products p ORDER BY id LIMIT 2",
    "SELECT key, value FROM products, json_each(attributes) ORDER BY products.id, key",
    "SELECT {'a': 1, 'b': 'x'} AS s, {'a': 1}.a, struct_pack(x := 1, y := 2).y, row(1, 2), MAP {'k': 1}['k'], "
    "map([1, 2], ['a', 'b'])[1], struct_extract({'q': 7}, 'q')",
    "PIVOT orders ON status USING sum(total) GROUP BY region ORDER BY region",
    "PIVOT (SELECT status, region, total FROM orders) ON status IN ('open', 'paid') USING sum(total) AS s, "
    "count(*) AS n ORDER BY region",
    "FROM orders PIVOT (sum(total) FOR status IN ('open', 'paid') GROUP BY region) ORDER BY region",
    "UNPIVOT (SELECT id, quantity, unit_price::INTEGER AS price FROM order_items i(id, p, quantity, unit_price)) "
    "ON quantity, price INTO NAME what VALUE amount ORDER BY ALL",
    "SELECT region, status, sum(total) FROM orders GROUP BY ROLLUP (region, status) ORDER BY ALL",
    "SELECT region, status, grouping(region), sum(total) FROM orders GROUP BY GROUPING SETS ((region), (status), ()) "
    "ORDER BY ALL",
    "SELECT region, status, count(*) FROM orders GROUP BY CUBE (region, status) ORDER BY ALL",
    "SELECT DISTINCT ON (customer_id) customer_id, id FROM orders ORDER BY customer_id, total DESC, id",
    "SELECT i, i * i FROM range(5) AS r(i)",
    "SELECT generate_series FROM generate_series(1, 9, 2)",
    "SELECT d::DATE AS day, count(o.id) FROM generate_series(DATE '2024-01-01', DATE '2024-01-10', INTERVAL 1 DAY) "
    "AS s(d) LEFT JOIN orders o ON o.ordered = d::DATE GROUP BY day ORDER BY day",
    "SELECT o.id, x.id FROM orders o ASOF JOIN orders x ON o.customer_id = x.customer_id AND o.ordered > x.ordered "
    "ORDER BY ALL",
    "SELECT count(*) FROM orders SEMI JOIN customers ON customers.id = orders.customer_id",
    "SELECT name FROM customers ANTI JOIN orders ON customers.id = orders.customer_id ORDER BY name",
    "SELECT count(*) FROM order_items JOIN (SELECT id AS order_id, region FROM orders) o USING (order_id)",
    "SELECT count(*) FROM (SELECT id AS order_id FROM orders) o NATURAL JOIN order_items",
    "SELECT name FROM customers WHERE name ILIKE '%an%' OR regexp_matches(name, '^[A-C]') OR name SIMILAR TO 'X.*' "
    "OR name ~ '^D.*' ORDER BY id",
    "SELECT regexp_extract(name, '(\\w+) (\\w+)', 2), regexp_replace(name, '[aeiou]', '', 'g'), "
    "string_split(name, ' '), split_part(name, ' ', 1), left(name, 2), right(name, 2), name[1:3], "
    "lpad(id::VARCHAR, 4, '0'), contains(name, 'a'), starts_with(name, 'A'), position('a' IN name), "
    "substring(name FROM 2 FOR 3), trim(BOTH 'A' FROM name), strip_accents('é'), format('{}-{}', id, name), "
    "printf('%03d', id), levenshtein(name, 'Anna'), md5(name), concat_ws('-', id, name), name.upper().lower() "
    "FROM customers ORDER BY id",
    "SELECT TRY_CAST('x' AS INTEGER), '12'::INT, CAST(1.7 AS DECIMAL(4, 1)), 3::DOUBLE / 2, 7 // 2, 2 ** 10, 5 & 3, "
    "5 | 3, 1 << 4, @(-3), greatest(1, 5, 3), least(1, 5), ceil(1.2), floor(1.8), sqrt(16), ln(2.5), "
    "coalesce(NULL, 1), ifnull(NULL, 2), if(1 > 2, 'a', 'b'), typeof(1), 1_000, hash(1) = hash(1)",
    "SELECT count(*) FROM orders USING SAMPLE 100%",
    "SELECT id, last_value(total IGNORE NULLS) OVER (ORDER BY id), nth_value(total, 2) OVER (ORDER BY id), "
    "percent_rank() OVER (ORDER BY total), cume_dist() OVER (ORDER BY total) FROM orders ORDER BY id",
    "SELECT histogram(status), approx_count_distinct(status), bool_and(total > 0), product(1), entropy(status), "
    "corr(id, total), regr_slope(total, id), skewness(total), kurtosis(total), count_if(total > 50), any_value(1) "
    "FROM orders",
    "SELECT id, total AS t, t * 2 AS double FROM orders WHERE t > 100 ORDER BY double, id",
    "SELECT o.id FROM main.orders AS o WHERE o.total > ALL (SELECT price FROM products WHERE price < 20) ORDER BY o.id",
    "SELECT id FROM orders WHERE id = ANY (SELECT order_id FROM order_items) AND total IS DISTINCT FROM 3 ORDER BY id",
    "WITH orders AS (SELECT * FROM orders WHERE total > 100) SELECT count(*) FROM orders",
    "WITH big AS MATERIALIZED (SELECT * FROM orders WHERE total > 100) SELECT b.region, count(*) FROM big b "
    "GROUP BY b.region ORDER BY ALL",
    "SELECT count(*) FROM orders WHERE ordered BETWEEN DATE '2024-01-01' AND DATE '2024-01-01' + INTERVAL 3 MONTH",
    "SELECT * FROM orders ORDER BY total DESC NULLS LAST, id ASC NULLS FIRST LIMIT 3",
    "SELECT count(*) FROM customers WHERE (city, country) IN (SELECT city, country FROM customers WHERE id < 5)",
    "SELECT struct_pack(n := count(*), s := sum(total)) FROM orders",
    "SELECT customers.name, orders.total FROM customers POSITIONAL JOIN orders ORDER BY ALL LIMIT 5",
    "SELECT id, sum(total) FILTER (WHERE status = 'paid') OVER (ORDER BY id) FROM orders ORDER BY id",
    "SELECT CASE status WHEN 'open' THEN 1 WHEN 'paid' THEN 2 END AS code FROM orders ORDER BY id",
    "SELECT id: o.id, t: o.total FROM orders o ORDER BY o.id LIMIT 3",
    "SELECT x FROM (SELECT [1, 2, 3] AS l), unnest(l) AS u(x) ORDER BY x",
    "SELECT name FROM products WHERE 'new' IN tags OR list_has_any(tags, ['sale']) ORDER BY id",
    "SELECT rowid, id FROM customers ORDER BY rowid LIMIT 2",
    "SELECT sum(total) AS s FROM orders HAVING s > 0",
    "SELECT now() > TIMESTAMP '2020-01-01', current_date > DATE '2020-01-01', today() >= current_date",
)

SQLITE = (
    "SELECT strftime('%Y-%m', ordered) AS m, sum(total) FROM orders GROUP BY m ORDER BY m",
    "SELECT date(ordered, '+1 month', 'start of month'), julianday('2024-12-31') - julianday(ordered), "
    "datetime(ordered, '-3 days'), time('12:30'), unixepoch(ordered) FROM orders ORDER BY id",
    'SELECT name FROM customers WHERE country = "DE" ORDER BY name',
    'SELECT "name", [city], `country` FROM customers ORDER BY id',
    "SELECT name FROM customers WHERE name LIKE \"%an%\" ESCAPE '\\' OR name GLOB 'A*' ORDER BY id",
    "SELECT group_concat(name, '; ') FROM (SELECT name FROM customers ORDER BY name)",
    "SELECT json_extract(attributes, '$.colour'), attributes ->> '$.size', attributes -> 'colour', "
    "json_array_length(tags), json_type(attributes) FROM products ORDER BY id",
    "SELECT p.name, t.value FROM products p, json_each(p.tags) AS t ORDER BY p.id, t.value",
    "SELECT json_group_array(id), json_object('n', count(*)), json_group_object(id, status) FROM orders",
    "SELECT j.key, j.value FROM products, json_tree(products.attributes) AS j WHERE j.type = 'text' "
    "ORDER BY products.id, j.key",
    "SELECT iif(total > 100, 'big', 'small') AS size, count(*) FROM orders GROUP BY size ORDER BY size",
    "SELECT printf('%05.2f', total), format('%d', id), instr(status, 'e'), hex('ab'), quote(status), unicode('a'), "
    "char(65, 66), typeof(total), ifnull(NULL, 1), max(1, 2), min(1, 2), ltrim('  x'), rtrim('x  ') FROM orders "
    "ORDER BY id",
    "SELECT CAST('12abc' AS INTEGER), CAST('3.5' AS REAL), CAST(3.7 AS INT), CAST('7' AS NUMERIC), "
    "CAST(12 AS TEXT), CAST('x' AS STRING), CAST('2024-01-01' AS DATE), CAST(1 AS BOOLEAN), CAST(2 AS DECIMAL(10, 2)), "
    "CAST('5' AS VARCHAR(10)), CAST(1 AS DOUBLE PRECISION), CAST('1.5' AS FLOAT)",
    "SELECT total(total), avg(total), sum(total) / count(*) FROM orders",
    "SELECT id FROM orders WHERE status == 'open' AND total != 3 AND region IS 'EU' AND region IS NOT 'US' ORDER BY id",
    "SELECT id FROM orders WHERE +status = 'open' AND region NOTNULL AND NOT total ISNULL ORDER BY id",
    "SELECT name FROM customers ORDER BY name COLLATE NOCASE DESC LIMIT 4",
    "SELECT name FROM customers WHERE city = 'berlin' COLLATE NOCASE ORDER BY id",
    "SELECT rowid, id FROM customers ORDER BY rowid LIMIT 2",
    "SELECT c._rowid_, c.oid FROM customers c ORDER BY 1 LIMIT 2",
    "SELECT id FROM orders ORDER BY total DESC NULLS LAST, id LIMIT 2, 3",
    "SELECT customer_id, max(total), status FROM orders GROUP BY customer_id ORDER BY customer_id",
    "SELECT count(*) FROM customers NATURAL JOIN (SELECT id FROM products)",
    "SELECT count(*) FROM order_items JOIN (SELECT id AS order_id FROM orders) USING (order_id)",
    "SELECT o.id FROM orders o INNER JOIN customers c ON c.id = o.customer_id AND c.country IN ('DE', 'FR') "
    "ORDER BY o.id",
    "SELECT x'6162', 0x1F, 1 || 2, 5 & 3, 5 | 2, ~1, 1 << 3, 'a' < 'b', NULL IS NULL, 1 IN (1, 2)",
    "SELECT substr(name, -3), substring(name, 2, 2), replace(name, 'a', ''), round(2.567, 1), abs(-3), sign(-2), "
    "ceil(1.2), floor(1.8), sqrt(16), pow(2, 3), ln(1), log(100), mod(7, 3), pi() > 3 FROM customers ORDER BY id",
    "SELECT id FROM orders WHERE (customer_id, status) IN (SELECT customer_id, status FROM orders WHERE total > 100) "
    "ORDER BY id",
    "SELECT (SELECT count(*) FROM orders) * 1.0 / (SELECT count(*) FROM customers) AS ratio",
    'SELECT CASE WHEN "total" > 100 THEN "big" ELSE "small" END AS size FROM orders ORDER BY id',
    "WITH t AS NOT MATERIALIZED (SELECT * FROM orders) SELECT count(*) FROM t",
    "WITH s(d) AS (SELECT date('2024-01-01') UNION ALL SELECT date(d, '+1 day') FROM s WHERE d < '2024-01-05') "
    "SELECT d, (SELECT count(*) FROM orders WHERE ordered = d) FROM s",
    "SELECT current_date >= '2020-01-01', CURRENT_TIMESTAMP > '2020', date('now') > '2020'",
    "SELECT column1, column2 FROM (VALUES (1, 2), (3, 4)) ORDER BY 1",
    "SELECT name AS 'who', city \"where\" FROM customers ORDER BY who LIMIT 3",
    "SELECT id, sum(total) FILTER (WHERE status = 'paid') OVER (ORDER BY id GROUPS 2 PRECEDING) FROM orders ORDER BY id",
    "SELECT count(*) FROM orders o, (SELECT avg(total) AS m FROM orders) a WHERE o.total > a.m",
    "SELECT DISTINCT substr(ordered, 1, 4) AS y FROM orders WHERE y >= '2023' ORDER BY y",
    "SELECT name FROM 'customers' ORDER BY id LIMIT 1",
    "SELECT main.customers.name FROM main.customers ORDER BY 1 LIMIT 2",
)

GOOD_QUERIES: dict[str, tuple[str, ...]] = {"duckdb": ANSI + DUCKDB, "sqlite": ANSI + SQLITE}
