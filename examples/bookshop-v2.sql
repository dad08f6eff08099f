-- The bookshop's database as the next release needs it.
CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL,
    name text NOT NULL,
    locale text NOT NULL DEFAULT 'en',
    created_at timestamp NOT NULL DEFAULT now()
);
CREATE TABLE books (
    isbn text PRIMARY KEY,
    title text NOT NULL,
    author text NOT NULL,
    genre text NOT NULL,
    price_cents integer NOT NULL CHECK (price_cents >= 0),
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
    quantity integer NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, isbn)
);
CREATE TABLE reviews (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    isbn text NOT NULL REFERENCES books,
    customer_id bigint NOT NULL REFERENCES customers,
    rating integer NOT NULL CHECK (rating BETWEEN 1 AND 5),
    body text NOT NULL
);
CREATE TABLE wishes (
    customer_id bigint NOT NULL REFERENCES customers ON DELETE CASCADE,
    isbn text NOT NULL REFERENCES books,
    wished_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (customer_id, isbn)
);
CREATE INDEX wishes_isbn ON wishes (isbn);
COMMENT ON TABLE wishes IS 'What a customer wants to be reminded of';
