"""A database with an object of many kinds."""

SCHEMA = """
CREATE SCHEMA sales;
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');
CREATE TABLE people (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, mail email, feels mood);
CREATE TABLE sales.orders (id serial PRIMARY KEY, person int REFERENCES people, placed timestamptz, total numeric);
CREATE INDEX orders_placed ON sales.orders (placed);
CREATE VIEW customers AS SELECT name, count(*) AS orders FROM people JOIN sales.orders ON person = people.id GROUP BY 1;
CREATE MATERIALIZED VIEW totals AS SELECT person, sum(total) AS total FROM sales.orders GROUP BY 1;
CREATE FUNCTION double(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 2';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.placed := now(); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON sales.orders FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TABLE events (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE PUBLICATION everything FOR TABLE people;
COMMENT ON TABLE people IS 'who we know; drop table is a phrase';
GRANT SELECT ON people TO PUBLIC;
INSERT INTO people (name, mail) VALUES ('Ann', 'ann@example.test'), ('Bob', NULL);
"""
