--
-- PostgreSQL database dump
--

\restrict xT3k9vB2

-- Dumped from database version 18.0
-- Dumped by pg_dump version 18.0

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: public; Type: SCHEMA; Schema: -; Owner: pg_database_owner
--

CREATE SCHEMA public;


ALTER SCHEMA public OWNER TO pg_database_owner;

--
-- Name: shop; Type: SCHEMA; Schema: -; Owner: shop_owner
--

CREATE SCHEMA shop;


ALTER SCHEMA shop OWNER TO shop_owner;

--
-- Name: citext; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;


--
-- Name: EXTENSION citext; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION citext IS 'data type for case-insensitive character strings';


--
-- Name: state; Type: TYPE; Schema: shop; Owner: shop_owner
--

CREATE TYPE shop.state AS ENUM (
    'new',
    'paid'
);


ALTER TYPE shop.state OWNER TO shop_owner;

--
-- Name: touch(); Type: FUNCTION; Schema: shop; Owner: shop_owner
--

CREATE FUNCTION shop.touch() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.note := 'it''s ' || NEW.id; -- \restrict
    RETURN NEW;
END;
$$;


ALTER FUNCTION shop.touch() OWNER TO shop_owner;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: orders; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.orders (
    id integer NOT NULL,
    state shop.state DEFAULT 'new'::shop.state NOT NULL,
    note public.citext,
    customer bigint
);


ALTER TABLE shop.orders OWNER TO shop_owner;

--
-- Name: orders_id_seq; Type: SEQUENCE; Schema: shop; Owner: shop_owner
--

CREATE SEQUENCE shop.orders_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


ALTER SEQUENCE shop.orders_id_seq OWNER TO shop_owner;

--
-- Name: orders_id_seq; Type: SEQUENCE OWNED BY; Schema: shop; Owner: shop_owner
--

ALTER SEQUENCE shop.orders_id_seq OWNED BY shop.orders.id;


CREATE TABLE shop.customers (
    id bigint NOT NULL,
    name text
);


ALTER TABLE shop.customers OWNER TO shop_owner;

ALTER TABLE shop.customers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME shop.customers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


CREATE TABLE shop.log (
    at date
)
PARTITION BY RANGE (at);


ALTER TABLE shop.log OWNER TO shop_owner;

CREATE TABLE shop.log_2024 (
    at date
);


ALTER TABLE shop.log_2024 OWNER TO shop_owner;

CREATE VIEW shop.open AS
 SELECT id
   FROM shop.orders
  WHERE (state = 'new'::shop.state);


ALTER VIEW shop.open OWNER TO shop_owner;

ALTER TABLE ONLY shop.log ATTACH PARTITION shop.log_2024 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');


ALTER TABLE ONLY shop.orders ALTER COLUMN id SET DEFAULT nextval('shop.orders_id_seq'::regclass);


ALTER TABLE ONLY shop.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (id);


ALTER TABLE ONLY shop.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);


CREATE INDEX orders_state ON shop.orders USING btree (state);


CREATE TRIGGER touch BEFORE UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.touch();


ALTER TABLE ONLY shop.orders
    ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer) REFERENCES shop.customers(id);


GRANT SELECT ON TABLE shop.orders TO PUBLIC;


--
-- PostgreSQL database dump complete
--

\unrestrict xT3k9vB2

