-- 1. The sources as they lie there: CSV, Parquet, JSON lines.
CREATE TEMPORARY VIEW raw_customers (customer_id BIGINT, name STRING, country STRING, since DATE)
USING csv OPTIONS (path 'data/customers', header 'true');

CREATE TEMPORARY VIEW orders USING parquet OPTIONS (path 'data/orders');

CREATE TEMPORARY VIEW raw_events (event_id BIGINT, customer_id BIGINT, at TIMESTAMP, kind STRING, device STRING)
USING json OPTIONS (path 'data/events');

-- 2. Cleaning: countries were typed by hand, some events name no device, and a line of each file is broken.
CREATE TEMPORARY VIEW customers AS
SELECT customer_id, name, initcap(trim(country)) AS country, since FROM raw_customers WHERE since IS NOT NULL;

CREATE TEMPORARY VIEW events AS
SELECT event_id, customer_id, at, kind, coalesce(device, 'unknown') AS device FROM raw_events WHERE event_id IS NOT NULL AND at IS NOT NULL;

SELECT 'customers' AS source, count(*) AS found, (SELECT count(*) FROM customers) AS good,
       count(DISTINCT country) AS spellings, (SELECT count(DISTINCT country) FROM customers) AS countries FROM raw_customers
UNION ALL
SELECT 'events', count(*), (SELECT count(*) FROM events), NULL, NULL FROM raw_events
UNION ALL
SELECT 'orders', count(*), count(CASE WHEN quantity > 0 AND price > 0 THEN 1 END), NULL, NULL FROM orders;

-- 3. A join of all three, and what each country is worth.
CREATE TEMPORARY VIEW spending AS
SELECT o.customer_id, c.name, c.country, count(*) AS orders, sum(o.quantity * o.price) AS spent
FROM orders o JOIN customers c ON o.customer_id = c.customer_id
WHERE o.status = 'paid'
GROUP BY o.customer_id, c.name, c.country;

CREATE TEMPORARY VIEW clicks AS
SELECT customer_id, count(*) AS clicks, count(CASE WHEN kind = 'cart' THEN 1 END) AS carts FROM events GROUP BY customer_id;

SELECT s.country, count(*) AS customers, sum(s.orders) AS orders, sum(s.spent) AS spent,
       round(sum(s.spent) / sum(s.orders), 2) AS per_order, round(sum(k.carts) * 100.0 / sum(k.clicks), 1) AS cart_pct
FROM spending s LEFT JOIN clicks k ON s.customer_id = k.customer_id
GROUP BY s.country
ORDER BY spent DESC
LIMIT 5;

-- 4. Top lists: the best customers, and what sells.
SELECT s.name, s.country, s.orders, s.spent, k.clicks
FROM spending s JOIN clicks k ON s.customer_id = k.customer_id
ORDER BY s.spent DESC, s.customer_id
LIMIT 5;

SELECT product, sum(quantity) AS pieces, sum(quantity * price) AS revenue,
       round(avg(CASE WHEN status = 'returned' THEN 100.0 ELSE 0.0 END), 2) AS returned_pct
FROM orders
GROUP BY product
ORDER BY revenue DESC
LIMIT 3;

-- 5. Who is in orders and not in customers?
SELECT count(*) AS orders, count(DISTINCT customer_id) AS unknown_customers, min(customer_id) AS from_id, max(customer_id) AS to_id
FROM orders o WHERE NOT EXISTS (SELECT 1 FROM customers c WHERE c.customer_id = o.customer_id);

-- 6. The result, as Parquet in a folder a month: all files appear at once or none does.
CREATE TABLE sales USING parquet PARTITIONED BY (month) LOCATION 'sales' AS
SELECT o.order_id, o.ordered_at, o.product, o.quantity, o.quantity * o.price AS amount, c.country, date_format(o.ordered_at, 'yyyy-MM') AS month
FROM orders o JOIN customers c ON o.customer_id = c.customer_id
WHERE o.status = 'paid';

-- 7. Read back; a filter on the month reads one folder.
SELECT month, count(*) AS orders, sum(amount) AS revenue, count(DISTINCT country) AS countries FROM sales GROUP BY month ORDER BY month;

EXPLAIN SELECT sum(amount) FROM sales WHERE month = '2025-03';
