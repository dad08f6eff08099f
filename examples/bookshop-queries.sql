-- What the bookshop asks its database, for --suggest-indexes --workload.
SELECT id, name FROM customers WHERE lower(email) = 'reader42@example.com';
SELECT id, status, total_cents, placed_at FROM orders WHERE customer_id = 4711 ORDER BY placed_at DESC LIMIT 20;
SELECT i.isbn, i.quantity, b.title FROM order_items i JOIN books b ON b.isbn = i.isbn WHERE i.order_id = 99;
SELECT id, customer_id, placed_at FROM orders WHERE status = 'open' ORDER BY placed_at LIMIT 50;
SELECT isbn, title, price_cents FROM books WHERE genre = 'travel' ORDER BY price_cents LIMIT 10;
SELECT rating, body FROM reviews WHERE isbn = '9780000000017' ORDER BY id DESC LIMIT 10;
SELECT isbn, title FROM books WHERE title ILIKE '%c4ca42%' LIMIT 10;
