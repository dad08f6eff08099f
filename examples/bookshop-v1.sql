-- The bookshop's database as it grew, with rows to measure on.
CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL,
    name text NOT NULL,
    created_at timestamp NOT NULL DEFAULT now()
);
CREATE TABLE books (
    isbn text PRIMARY KEY,
    title text NOT NULL,
    author text NOT NULL,
    genre text NOT NULL,
    price_cents integer NOT NULL,
    stock integer NOT NULL,
    published date
);
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers,
    status text NOT NULL,
    total_cents integer NOT NULL,
    note text,
    placed_at timestamptz NOT NULL
);
CREATE TABLE order_items (
    order_id bigint NOT NULL REFERENCES orders,
    isbn text NOT NULL REFERENCES books,
    quantity integer NOT NULL,
    PRIMARY KEY (order_id, isbn)
);
CREATE TABLE reviews (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    isbn text NOT NULL REFERENCES books,
    customer_id bigint NOT NULL REFERENCES customers,
    rating integer NOT NULL,
    body text NOT NULL
);

INSERT INTO customers (email, name, created_at)
SELECT 'reader' || n || '@example.com', 'Reader ' || n, timestamp '2024-01-01' + n * interval '7 min' FROM generate_series(1, 20000) n;
INSERT INTO books
SELECT '978' || lpad(n::text, 10, '0'), 'Book ' || md5(n::text), 'Author ' || n % 700, (ARRAY['fiction', 'science', 'travel', 'children'])[1 + n % 4],
       500 + n % 3000, n % 40, date '1990-01-01' + n % 12000 FROM generate_series(1, 10000) n;
INSERT INTO orders (customer_id, status, total_cents, note, placed_at)
SELECT 1 + n::bigint * 7919 % 20000, CASE WHEN n % 60 = 0 THEN 'open' ELSE 'shipped' END, 900 + n % 9000, CASE WHEN n % 25 = 0 THEN 'gift' END,
       timestamptz '2024-06-01' + n * interval '5 min' FROM generate_series(1, 120000) n;
INSERT INTO order_items
SELECT 1 + n::bigint * 104729 % 120000, '978' || lpad((1 + n * 31 % 10000)::text, 10, '0'), 1 + n % 3 FROM generate_series(1, 200000) n ON CONFLICT DO NOTHING;
INSERT INTO reviews (isbn, customer_id, rating, body)
SELECT '978' || lpad((1 + n * 17 % 10000)::text, 10, '0'), 1 + n % 20000, 1 + n % 5, 'Review ' || md5(n::text) FROM generate_series(1, 60000) n;
