-- A shop's data, the same every time: 20,000 customers as CSV, 400,000 orders as Parquet, 700,000 events as JSON lines.
-- Nothing random: every column is a hash of the row's number. Some of it is dirty, as data is.

INSERT OVERWRITE DIRECTORY 'data/customers' USING csv OPTIONS (header 'true')
SELECT id + 1 AS customer_id,
       concat(split_part('Ada,Grace,Linus,Edsger,Barbara,Donald,Radia,Ken,Frances,Alan,Margaret,Dennis', ',', CAST(pmod(xxhash64(id, 1), 12) AS INT) + 1), ' ',
              split_part('Kovacs,Okafor,Silva,Jansen,Tanaka,Novak,Haddad,Larsen,Moreau,Fischer,Rossi,Patel', ',', CAST(pmod(xxhash64(id, 2), 12) AS INT) + 1)) AS name,
       -- countries were typed by hand
       CASE CAST(pmod(xxhash64(id, 3), 10) AS INT)
            WHEN 0 THEN concat('  ', lower(country)) WHEN 1 THEN upper(country) WHEN 2 THEN concat(country, ' ') ELSE country END AS country,
       date_add(DATE '2021-01-01', CAST(pmod(xxhash64(id, 4), 1400) AS INT)) AS since
FROM (SELECT id, split_part('Norway,Brazil,Japan,Kenya,Canada,France,India,Poland,Chile,Italy', ',',
                            CAST(pmod(xxhash64(id, 5), 10) * pmod(xxhash64(id, 6), 10) / 10 AS INT) + 1) AS country
      FROM range(0, 20000, 1, 2));

INSERT OVERWRITE DIRECTORY 'data/orders' USING parquet
SELECT id + 1 AS order_id,
       -- some customers order more than others, and a few numbers lead nowhere
       CAST(floor(20100 * pow(pmod(xxhash64(id, 11), 1000000) / 1000000D, 1.6D)) AS BIGINT) + 1 AS customer_id,
       TIMESTAMP '2025-01-01 00:00:00' + INTERVAL 1 SECOND * CAST(pmod(xxhash64(id, 12), 15552000) AS INT) AS ordered_at,
       split_part('lamp,chair,desk,shelf,mirror,carpet,clock,vase', ',', CAST(pmod(xxhash64(id, 13), 8) AS INT) + 1) AS product,
       CAST(pmod(xxhash64(id, 14), 5) AS INT) + 1 AS quantity,
       CAST(9.90 + pmod(xxhash64(id, 15), 24000) / 100.0 AS DECIMAL(10,2)) AS price,
       CASE WHEN pmod(xxhash64(id, 16), 100) < 3 THEN 'returned' WHEN pmod(xxhash64(id, 16), 100) < 5 THEN 'cancelled' ELSE 'paid' END AS status
FROM range(0, 400000, 1, 4);

INSERT OVERWRITE DIRECTORY 'data/events' USING json
SELECT id AS event_id,
       CAST(floor(20000 * pow(pmod(xxhash64(id, 21), 1000000) / 1000000D, 1.4D)) AS BIGINT) + 1 AS customer_id,
       date_format(TIMESTAMP '2025-01-01 00:00:00' + INTERVAL 1 SECOND * CAST(pmod(xxhash64(id, 22), 15552000) AS INT), 'yyyy-MM-dd HH:mm:ss') AS at,
       split_part('view,view,view,search,search,cart', ',', CAST(pmod(xxhash64(id, 23), 6) AS INT) + 1) AS kind,
       CASE WHEN pmod(xxhash64(id, 24), 50) <> 0 THEN split_part('phone,laptop,tablet', ',', CAST(pmod(xxhash64(id, 25), 3) AS INT) + 1) END AS device
FROM range(0, 700000, 1, 4);
