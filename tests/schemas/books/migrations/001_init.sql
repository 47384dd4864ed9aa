--
-- PostgreSQL database dump
--

-- Dumped from database version 15.8
-- Dumped by pg_dump version 15.8

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: books; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA books;

--
-- Name: SCHEMA books; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON SCHEMA books IS 'accounts, journals, invoices';

--
-- Name: hr; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA hr;

--
-- Name: SCHEMA hr; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON SCHEMA hr IS 'people and what they are paid';

--
-- Name: account_kind; Type: TYPE; Schema: books; Owner: -
--

CREATE TYPE books.account_kind AS ENUM (
    'asset',
    'liability',
    'equity',
    'income',
    'expense'
);

--
-- Name: line_total; Type: TYPE; Schema: books; Owner: -
--

CREATE TYPE books.line_total AS (
	net numeric(16,2),
	tax numeric(16,2)
);

--
-- Name: move_state; Type: TYPE; Schema: books; Owner: -
--

CREATE TYPE books.move_state AS ENUM (
    'draft',
    'posted',
    'cancelled'
);

--
-- Name: tax_scope; Type: TYPE; Schema: books; Owner: -
--

CREATE TYPE books.tax_scope AS ENUM (
    'sale',
    'purchase',
    'none'
);

--
-- Name: contract_kind; Type: TYPE; Schema: hr; Owner: -
--

CREATE TYPE hr.contract_kind AS ENUM (
    'permanent',
    'fixed term',
    'apprentice',
    'contractor'
);

--
-- Name: leave_state; Type: TYPE; Schema: hr; Owner: -
--

CREATE TYPE hr.leave_state AS ENUM (
    'requested',
    'approved',
    'refused',
    'taken'
);

--
-- Name: contact_kind; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.contact_kind AS ENUM (
    'person',
    'company'
);

--
-- Name: email; Type: DOMAIN; Schema: public; Owner: -
--

CREATE DOMAIN public.email AS text
	CONSTRAINT email_check CHECK ((POSITION(('@'::text) IN (VALUE)) > 1));

--
-- Name: iban; Type: DOMAIN; Schema: public; Owner: -
--

CREATE DOMAIN public.iban AS text
	CONSTRAINT iban_shape CHECK ((VALUE ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$'::text));

--
-- Name: add_totals(books.line_total, books.line_total); Type: FUNCTION; Schema: books; Owner: -
--

CREATE FUNCTION books.add_totals(books.line_total, books.line_total) RETURNS books.line_total
    LANGUAGE sql IMMUTABLE
    AS $_$SELECT ROW($1.net + $2.net, $1.tax + $2.tax)::books.line_total$_$;

--
-- Name: balance(integer, date, date); Type: FUNCTION; Schema: books; Owner: -
--

CREATE FUNCTION books.balance(p_account integer, p_from date DEFAULT NULL::date, p_to date DEFAULT CURRENT_DATE) RETURNS numeric
    LANGUAGE sql STABLE
    AS $$
    SELECT COALESCE(sum(l.balance), 0)
    FROM books.move_lines l JOIN books.moves m ON m.id = l.move_id
    WHERE l.account_id = p_account AND m.state = 'posted' AND m.day <= p_to AND (p_from IS NULL OR m.day >= p_from)
$$;

--
-- Name: FUNCTION balance(p_account integer, p_from date, p_to date); Type: COMMENT; Schema: books; Owner: -
--

COMMENT ON FUNCTION books.balance(p_account integer, p_from date, p_to date) IS 'of posted moves; debit is positive';

--
-- Name: check_balanced(); Type: FUNCTION; Schema: books; Owner: -
--

CREATE FUNCTION books.check_balanced() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    difference numeric;
BEGIN
    SELECT sum(balance) INTO difference FROM books.move_lines WHERE move_id = NEW.id;
    IF NEW.state = 'posted' AND COALESCE(difference, 0) <> 0 THEN
        RAISE EXCEPTION 'move % is out of balance by %', NEW.name, difference USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END;
$$;

--
-- Name: forbid_change(); Type: FUNCTION; Schema: books; Owner: -
--

CREATE FUNCTION books.forbid_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM books.moves m WHERE m.id = OLD.move_id AND m.state = 'posted') THEN
        RAISE EXCEPTION 'a posted move is not changed; reverse it';
    END IF;
    RETURN COALESCE(NEW, OLD);
END;
$$;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: invoice_lines; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.invoice_lines (
    id bigint NOT NULL,
    invoice_id bigint NOT NULL,
    "position" integer DEFAULT 10 NOT NULL,
    name text NOT NULL,
    quantity numeric(12,3) DEFAULT 1 NOT NULL,
    unit_price numeric(16,4) NOT NULL,
    discount numeric(5,2) DEFAULT 0 NOT NULL,
    account_id integer
);

--
-- Name: line_total(books.invoice_lines); Type: FUNCTION; Schema: books; Owner: -
--

CREATE FUNCTION books.line_total(l books.invoice_lines) RETURNS books.line_total
    LANGUAGE sql STABLE
    AS $$
    SELECT net, net * COALESCE(sum(t.rate), 0) / 100
    FROM (SELECT round(l.quantity * l.unit_price * (1 - l.discount / 100), 2) AS net) n
    LEFT JOIN books.invoice_line_taxes lt ON lt.line_id = l.id LEFT JOIN books.taxes t ON t.id = lt.tax_id
    GROUP BY net
$$;

--
-- Name: post(bigint); Type: PROCEDURE; Schema: books; Owner: -
--

CREATE PROCEDURE books.post(IN p_move bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE books.moves m SET name = public.next_by_code(m.company_id, j.code), state = 'posted', posted_at = now()
    FROM books.journals j WHERE j.id = m.journal_id AND m.id = p_move AND m.state = 'draft';
END;
$$;

--
-- Name: manages(integer, integer); Type: FUNCTION; Schema: hr; Owner: -
--

CREATE FUNCTION hr.manages(p_boss integer, p_employee integer) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    WITH RECURSIVE up AS (
        SELECT manager_id FROM hr.employees WHERE id = p_employee
        UNION SELECT e.manager_id FROM hr.employees e JOIN up ON up.manager_id = e.id
    )
    SELECT EXISTS (SELECT 1 FROM up WHERE manager_id = p_boss)
$$;

--
-- Name: working_days(daterange, integer); Type: FUNCTION; Schema: hr; Owner: -
--

CREATE FUNCTION hr.working_days(p_days daterange, p_country integer) RETURNS integer
    LANGUAGE sql STABLE
    AS $$
    SELECT count(*)::integer FROM generate_series(lower(p_days), upper(p_days) - 1, '1 day') d
    WHERE EXTRACT(isodow FROM d) < 6 AND NOT EXISTS (SELECT 1 FROM hr.public_holidays h WHERE h.country_id = p_country AND h.day = d::date)
$$;

--
-- Name: current_company(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.current_company() RETURNS integer
    LANGUAGE sql STABLE
    AS $$SELECT NULLIF(current_setting('app.company', true), '')::integer$$;

--
-- Name: next_by_code(integer, text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.next_by_code(p_company integer, p_code text) RETURNS text
    LANGUAGE plpgsql
    AS $$
DECLARE
    s public.sequences;
BEGIN
    UPDATE public.sequences SET next_number = next_number + 1
    WHERE company_id IS NOT DISTINCT FROM p_company AND code = p_code
    RETURNING * INTO s;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no sequence "%"; company %', p_code, p_company;
    END IF;
    RETURN s.prefix || lpad((s.next_number - 1)::text, s.padding, '0');
END;
$$;

--
-- Name: note_change(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.note_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $_$
BEGIN
    -- $1 is no parameter here
    INSERT INTO public.changes (relation, record, was, became)
    VALUES (TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, COALESCE(to_jsonb(NEW), to_jsonb(OLD)) ->> 'id', to_jsonb(OLD), to_jsonb(NEW));
    RETURN NULL;
END;
$_$;

--
-- Name: set_display_name(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.set_display_name() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.display_name := CASE
        WHEN NEW.parent_id IS NULL THEN NEW.name
        ELSE (SELECT p.name FROM public.partners p WHERE p.id = NEW.parent_id) || ', ' || NEW.name
    END;
    RETURN NEW;
END;
$$;

--
-- Name: sum(books.line_total); Type: AGGREGATE; Schema: books; Owner: -
--

CREATE AGGREGATE books.sum(books.line_total) (
    SFUNC = books.add_totals,
    STYPE = books.line_total,
    INITCOND = '(0,0)'
);

--
-- Name: account_tags; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.account_tags (
    id integer NOT NULL,
    name text NOT NULL,
    color integer DEFAULT 0
);

--
-- Name: account_tags_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.account_tags_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: account_tags_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.account_tags_id_seq OWNED BY books.account_tags.id;

--
-- Name: accounts; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.accounts (
    id integer NOT NULL,
    company_id integer NOT NULL,
    chart_id integer,
    code character varying(16) NOT NULL,
    name text NOT NULL,
    kind books.account_kind NOT NULL,
    parent_id integer,
    reconcile boolean DEFAULT false NOT NULL,
    currency_id integer
);

--
-- Name: accounts_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.accounts_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: accounts_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.accounts_id_seq OWNED BY books.accounts.id;

--
-- Name: accounts_tags_rel; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.accounts_tags_rel (
    account_id integer NOT NULL,
    tag_id integer NOT NULL
);

--
-- Name: asset_lines; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.asset_lines (
    asset_id integer NOT NULL,
    year integer NOT NULL,
    amount numeric(16,2) NOT NULL,
    move_id bigint
);

--
-- Name: assets; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.assets (
    id integer NOT NULL,
    company_id integer NOT NULL,
    name text NOT NULL,
    bought date NOT NULL,
    value numeric(16,2) NOT NULL,
    years smallint NOT NULL,
    account_id integer NOT NULL,
    expense_account_id integer NOT NULL,
    CONSTRAINT assets_years_check CHECK ((years > 0))
);

--
-- Name: assets_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.assets_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: assets_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.assets_id_seq OWNED BY books.assets.id;

--
-- Name: bank_statement_lines; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.bank_statement_lines (
    id bigint NOT NULL,
    statement_id bigint NOT NULL,
    amount numeric(16,2) NOT NULL,
    reference text,
    partner_id integer,
    move_id bigint
);

--
-- Name: bank_statement_lines_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.bank_statement_lines_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: bank_statement_lines_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.bank_statement_lines_id_seq OWNED BY books.bank_statement_lines.id;

--
-- Name: bank_statements; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.bank_statements (
    id bigint NOT NULL,
    journal_id integer NOT NULL,
    day date NOT NULL,
    opening numeric(16,2) DEFAULT 0 NOT NULL,
    closing numeric(16,2),
    previous_id bigint
);

--
-- Name: bank_statements_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.bank_statements_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: bank_statements_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.bank_statements_id_seq OWNED BY books.bank_statements.id;

--
-- Name: budgets; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.budgets (
    id integer NOT NULL,
    company_id integer NOT NULL,
    centre_id integer,
    account_id integer,
    days daterange NOT NULL,
    planned numeric(16,2) NOT NULL
);

--
-- Name: budgets_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.budgets_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: budgets_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.budgets_id_seq OWNED BY books.budgets.id;

--
-- Name: charts; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.charts (
    id integer NOT NULL,
    name text NOT NULL,
    country_id integer
);

--
-- Name: charts_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.charts_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: charts_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.charts_id_seq OWNED BY books.charts.id;

--
-- Name: cost_centres; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.cost_centres (
    id integer NOT NULL,
    company_id integer,
    code text NOT NULL,
    name text NOT NULL,
    parent_id integer
);

--
-- Name: cost_centres_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.cost_centres_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: cost_centres_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.cost_centres_id_seq OWNED BY books.cost_centres.id;

--
-- Name: cost_lines; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.cost_lines (
    id bigint NOT NULL,
    centre_id integer NOT NULL,
    move_line_id bigint,
    amount numeric(16,2) NOT NULL,
    day date NOT NULL,
    employee_id integer
);

--
-- Name: cost_lines_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.cost_lines_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: cost_lines_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.cost_lines_id_seq OWNED BY books.cost_lines.id;

--
-- Name: move_lines; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.move_lines (
    id bigint NOT NULL,
    move_id bigint NOT NULL,
    account_id integer NOT NULL,
    partner_id integer,
    name text,
    debit numeric(16,2) DEFAULT 0 NOT NULL,
    credit numeric(16,2) DEFAULT 0 NOT NULL,
    balance numeric(16,2) GENERATED ALWAYS AS ((debit - credit)) STORED,
    currency_id integer,
    amount_currency numeric(16,2),
    tax_id integer,
    reconcile_id bigint,
    due date,
    CONSTRAINT not_negative CHECK (((debit >= (0)::numeric) AND (credit >= (0)::numeric))),
    CONSTRAINT one_side_only CHECK (((debit * credit) = (0)::numeric))
);

--
-- Name: CONSTRAINT one_side_only ON move_lines; Type: COMMENT; Schema: books; Owner: -
--

COMMENT ON CONSTRAINT one_side_only ON books.move_lines IS 'debit or credit';

--
-- Name: partners; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.partners (
    id integer NOT NULL,
    company_id integer,
    parent_id integer,
    kind public.contact_kind DEFAULT 'person'::public.contact_kind NOT NULL,
    name text NOT NULL,
    email public.email,
    phone character varying(40),
    street text,
    zip character varying(12),
    city text,
    state_id integer,
    country_id integer,
    vat character varying(20),
    active boolean DEFAULT true NOT NULL,
    display_name text,
    CONSTRAINT partners_check CHECK ((parent_id <> id))
);

--
-- Name: open_items; Type: VIEW; Schema: books; Owner: -
--

CREATE VIEW books.open_items AS
 SELECT l.id,
    l.partner_id,
    p.display_name,
    l.due,
    l.balance,
    (CURRENT_DATE - l.due) AS late
   FROM ((books.move_lines l
     JOIN public.partners p ON ((p.id = l.partner_id)))
     JOIN books.accounts a ON ((a.id = l.account_id)))
  WHERE (a.reconcile AND (l.reconcile_id IS NULL));

--
-- Name: dunning; Type: VIEW; Schema: books; Owner: -
--

CREATE VIEW books.dunning AS
 SELECT open_items.partner_id,
    open_items.display_name,
    sum(open_items.balance) AS owed,
    max(open_items.late) AS days
   FROM books.open_items
  WHERE (open_items.late > 14)
  GROUP BY open_items.partner_id, open_items.display_name;

--
-- Name: VIEW dunning; Type: COMMENT; Schema: books; Owner: -
--

COMMENT ON VIEW books.dunning IS 'who gets a letter';

--
-- Name: fiscal_years; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.fiscal_years (
    id integer NOT NULL,
    company_id integer NOT NULL,
    days daterange NOT NULL,
    closed boolean DEFAULT false NOT NULL
);

--
-- Name: fiscal_years_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.fiscal_years_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: fiscal_years_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.fiscal_years_id_seq OWNED BY books.fiscal_years.id;

--
-- Name: invoice_line_taxes; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.invoice_line_taxes (
    line_id bigint NOT NULL,
    tax_id integer NOT NULL
);

--
-- Name: invoice_lines_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.invoice_lines_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: invoice_lines_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.invoice_lines_id_seq OWNED BY books.invoice_lines.id;

--
-- Name: invoices; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.invoices (
    id bigint NOT NULL,
    company_id integer NOT NULL,
    move_id bigint,
    partner_id integer NOT NULL,
    direction "char" DEFAULT 'o'::"char" NOT NULL,
    number text,
    issued date DEFAULT CURRENT_DATE,
    term_id integer,
    currency_id integer NOT NULL,
    total books.line_total,
    reference text,
    CONSTRAINT invoices_direction_check CHECK ((direction = ANY (ARRAY['i'::"char", 'o'::"char"])))
);

--
-- Name: invoices_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.invoices_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: invoices_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.invoices_id_seq OWNED BY books.invoices.id;

--
-- Name: journals; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.journals (
    id integer NOT NULL,
    company_id integer NOT NULL,
    code character varying(5) NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    default_account_id integer,
    sequence_id integer,
    bank_account_id integer,
    CONSTRAINT journals_kind_check CHECK ((kind = ANY (ARRAY['sale'::text, 'purchase'::text, 'bank'::text, 'cash'::text, 'general'::text])))
);

--
-- Name: journals_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.journals_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: journals_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.journals_id_seq OWNED BY books.journals.id;

--
-- Name: move_lines_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.move_lines_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: move_lines_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.move_lines_id_seq OWNED BY books.move_lines.id;

--
-- Name: moves; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.moves (
    id bigint NOT NULL,
    company_id integer NOT NULL,
    journal_id integer NOT NULL,
    name text DEFAULT '/'::text NOT NULL,
    day date DEFAULT CURRENT_DATE NOT NULL,
    state books.move_state DEFAULT 'draft'::books.move_state NOT NULL,
    partner_id integer,
    reversed_id bigint,
    narration text,
    posted_at timestamp with time zone,
    posted_by integer,
    CONSTRAINT posted_moves_have_a_name CHECK (((state <> 'posted'::books.move_state) OR (name <> '/'::text)))
);

--
-- Name: TABLE moves; Type: COMMENT; Schema: books; Owner: -
--

COMMENT ON TABLE books.moves IS 'journal entries; a posted one is never changed, only reversed';

--
-- Name: COLUMN moves.name; Type: COMMENT; Schema: books; Owner: -
--

COMMENT ON COLUMN books.moves.name IS 'the number in its journal; "/" until posted';

--
-- Name: moves_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.moves_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: moves_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.moves_id_seq OWNED BY books.moves.id;

--
-- Name: payment_invoices; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.payment_invoices (
    payment_id bigint NOT NULL,
    invoice_id bigint NOT NULL,
    amount numeric(16,2) NOT NULL
);

--
-- Name: payment_term_lines; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.payment_term_lines (
    id integer NOT NULL,
    term_id integer NOT NULL,
    days integer DEFAULT 0 NOT NULL,
    share numeric(5,2) NOT NULL,
    CONSTRAINT payment_term_lines_share_check CHECK (((share > (0)::numeric) AND (share <= (100)::numeric)))
);

--
-- Name: payment_term_lines_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.payment_term_lines_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: payment_term_lines_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.payment_term_lines_id_seq OWNED BY books.payment_term_lines.id;

--
-- Name: payment_terms; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.payment_terms (
    id integer NOT NULL,
    name text NOT NULL,
    note text
);

--
-- Name: payment_terms_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.payment_terms_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: payment_terms_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.payment_terms_id_seq OWNED BY books.payment_terms.id;

--
-- Name: payments; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.payments (
    id bigint NOT NULL,
    company_id integer NOT NULL,
    journal_id integer NOT NULL,
    partner_id integer,
    amount numeric(16,2) NOT NULL,
    day date NOT NULL,
    move_id bigint,
    bank_account_id integer,
    CONSTRAINT payments_amount_check CHECK ((amount > (0)::numeric))
);

--
-- Name: payments_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.payments_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: payments_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.payments_id_seq OWNED BY books.payments.id;

--
-- Name: reconciles; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.reconciles (
    id bigint NOT NULL,
    company_id integer NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    exchange_move_id bigint
);

--
-- Name: reconciles_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.reconciles_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: reconciles_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.reconciles_id_seq OWNED BY books.reconciles.id;

--
-- Name: taxes; Type: TABLE; Schema: books; Owner: -
--

CREATE TABLE books.taxes (
    id integer NOT NULL,
    company_id integer NOT NULL,
    name text NOT NULL,
    scope books.tax_scope DEFAULT 'sale'::books.tax_scope NOT NULL,
    rate numeric(7,4) NOT NULL,
    account_id integer,
    refund_account_id integer,
    included boolean DEFAULT false NOT NULL,
    parent_id integer,
    CONSTRAINT sensible_rate CHECK (((rate > ('-100'::integer)::numeric) AND (rate < (100)::numeric)))
);

--
-- Name: taxes_id_seq; Type: SEQUENCE; Schema: books; Owner: -
--

CREATE SEQUENCE books.taxes_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: taxes_id_seq; Type: SEQUENCE OWNED BY; Schema: books; Owner: -
--

ALTER SEQUENCE books.taxes_id_seq OWNED BY books.taxes.id;

--
-- Name: trial_balance; Type: VIEW; Schema: books; Owner: -
--

CREATE VIEW books.trial_balance AS
SELECT
    NULL::integer AS company_id,
    NULL::character varying(16) AS code,
    NULL::text AS name,
    NULL::books.account_kind AS kind,
    NULL::numeric AS debit,
    NULL::numeric AS credit,
    NULL::numeric AS balance;

--
-- Name: applicants; Type: TABLE; Schema: hr; Owner: -
--

CREATE TABLE hr.applicants (
    id bigint NOT NULL,
    job_id integer,
    partner_id integer,
    received timestamp with time zone DEFAULT now() NOT NULL,
    stage text DEFAULT 'new'::text NOT NULL,
    notes jsonb DEFAULT '[]'::jsonb NOT NULL
);

--
-- Name: applicants_id_seq; Type: SEQUENCE; Schema: hr; Owner: -
--

CREATE SEQUENCE hr.applicants_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: applicants_id_seq; Type: SEQUENCE OWNED BY; Schema: hr; Owner: -
--

ALTER SEQUENCE hr.applicants_id_seq OWNED BY hr.applicants.id;

--
-- Name: attendances; Type: TABLE; Schema: hr; Owner: -
--

CREATE TABLE hr.attendances (
    id bigint NOT NULL,
    employee_id integer NOT NULL,
    came timestamp with time zone DEFAULT now() NOT NULL,
    went timestamp with time zone,
    hours numeric GENERATED ALWAYS AS (round((EXTRACT(epoch FROM (went - came)) / (3600)::numeric), 2)) STORED,
    CONSTRAINT attendances_check CHECK ((went > came))
);

--
-- Name: attendances_id_seq; Type: SEQUENCE; Schema: hr; Owner: -
--

CREATE SEQUENCE hr.attendances_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: attendances_id_seq; Type: SEQUENCE OWNED BY; Schema: hr; Owner: -
--

ALTER SEQUENCE hr.attendances_id_seq OWNED BY hr.attendances.id;

--
-- Name: calendar_hours; Type: TABLE; Schema: hr; Owner: -
--

CREATE TABLE hr.calendar_hours (
    calendar_id integer NOT NULL,
    weekday smallint NOT NULL,
    starts time without time zone NOT NULL,
    ends time without time zone NOT NULL,
    CONSTRAINT calendar_hours_check CHECK ((ends > starts)),
    CONSTRAINT calendar_hours_weekday_check CHECK (((weekday >= 1) AND (weekday <= 7)))
);

--
-- Name: calendars; Type: TABLE; Schema: hr; Owner: -
--

CREATE TABLE hr.calendars (
    id integer NOT NULL,
    company_id integer,
    name text NOT NULL,
    hours_per_week numeric(4,1) DEFAULT 40 NOT NULL
);

--
-- Name: calendars_id_seq; Type: SEQUENCE; Schema: hr; Owner: -
--

CREATE SEQUENCE hr.calendars_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: calendars_id_seq; Type: SEQUENCE OWNED BY; Schema: hr; Owner: -
--

ALTER SEQUENCE hr.calendars_id_seq OWNED BY hr.calendars.id;

--
-- Name: contracts; Type: TABLE; Schema: hr; Owner: -
--

CREATE TABLE hr.contracts (
    id integer NOT NULL,
    employee_id integer NOT NULL,
    kind hr.contract_kind DEFAULT 'permanent'::hr.contract_kind NOT NULL,
    days daterange NOT NULL,
    wage numeric(12,2) NOT NULL,
    calendar_id integer,
    job_id integer,
    signed date
);

--
-- Name: COLUMN contracts.wage; Type: COMMENT; Schema: hr; Owner: -
--

COMMENT ON COLUMN hr.contracts.wage IS 'gross, each month; see payroll_rules';

--
-- Name: contracts_id_seq; Type: SEQUENCE; Schema: hr; Owner: -
--

CREATE SEQUENCE hr.contracts_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: contracts_id_seq; Type: SEQUENCE OWNED BY; Schema: hr; Owner: -
--

ALTER SEQUENCE hr.contracts_id_seq OWNED BY hr.contracts.id;

--
-- Name: departments; Type: TABLE; Schema: hr; Owner: -
--

CREATE TABLE hr.departments (
    id integer NOT NULL,
    company_id integer NOT NULL,
    name text NOT NULL,
    parent_id integer,
    manager_id integer,
    centre_id integer
);

--
-- Name: departments_id_seq; Type: SEQUENCE; Schema: hr; Owner: -
--

CREATE SEQUENCE hr.departments_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: departments_id_seq; Type: SEQUENCE OWNED BY; Schema: hr; Owner: -
--

ALTER SEQUENCE hr.departments_id_seq OWNED BY hr.departments.id;

--
-- Name: employee_skills; Type: TABLE; Schema: hr; Owner: -
--

CREATE TABLE hr.employee_skills (
    employee_id integer NOT NULL,
    skill_id integer NOT NULL,
    level smallint DEFAULT 1 NOT NULL,
    CONSTRAINT employee_skills_level_check CHECK (((level >= 1) AND (level <= 5)))
);

--
-- Name: employees; Type: TABLE; Schema: hr; Owner: -
--

CREATE TABLE hr.employees (
    id integer NOT NULL,
    company_id integer NOT NULL,
    user_id integer,
    partner_id integer,
    department_id integer,
    job_id integer,
    manager_id integer,
    name text NOT NULL,
    born date,
    pin character varying(8),
    bank_account_id integer,
    active boolean DEFAULT true NOT NULL,
    CONSTRAINT not_ones_own_manager CHECK ((manager_id <> id))
);

--
-- Name: employees_id_seq; Type: SEQUENCE; Schema: hr; Owner: -
--

CREATE SEQUENCE hr.employees_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: employees_id_seq; Type: SEQUENCE OWNED BY; Schema: hr; Owner: -
--

ALTER SEQUENCE hr.employees_id_seq OWNED BY hr.employees.id;

--
-- Name: expenses; Type: TABLE; Schema: hr; Owner: -
--

CREATE TABLE hr.expenses (
    id bigint NOT NULL,
    employee_id integer NOT NULL,
    day date NOT NULL,
    text text NOT NULL,
    amount numeric(12,2) NOT NULL,
    currency_id integer,
    move_id bigint,
    attachment_id bigint
);

--
-- Name: expenses_id_seq; Type: SEQUENCE; Schema: hr; Owner: -
--

CREATE SEQUENCE hr.expenses_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: expenses_id_seq; Type: SEQUENCE OWNED BY; Schema: hr; Owner: -
--

ALTER SEQUENCE hr.expenses_id_seq OWNED BY hr.expenses.id;

--
-- Name: headcount; Type: MATERIALIZED VIEW; Schema: hr; Owner: -
--

CREATE MATERIALIZED VIEW hr.headcount AS
 SELECT e.company_id,
    d.name AS department,
    count(*) AS people
   FROM (hr.employees e
     LEFT JOIN hr.departments d ON ((d.id = e.department_id)))
  WHERE e.active
  GROUP BY e.company_id, d.name
  WITH NO DATA;

--
-- Name: jobs; Type: TABLE; Schema: hr; Owner: -
--

CREATE TABLE hr.jobs (
    id integer NOT NULL,
    company_id integer,
    name text NOT NULL,
    department_id integer,
    wanted integer DEFAULT 0 NOT NULL
);

--
-- Name: jobs_id_seq; Type: SEQUENCE; Schema: hr; Owner: -
--

CREATE SEQUENCE hr.jobs_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: jobs_id_seq; Type: SEQUENCE OWNED BY; Schema: hr; Owner: -
--

ALTER SEQUENCE hr.jobs_id_seq OWNED BY hr.jobs.id;

--
-- Name: leave_grants; Type: TABLE; Schema: hr; Owner: -
--

CREATE TABLE hr.leave_grants (
    employee_id integer NOT NULL,
    kind_id integer NOT NULL,
    year integer NOT NULL,
    days numeric(5,2) NOT NULL
);

--
-- Name: leave_kinds; Type: TABLE; Schema: hr; Owner: -
--

CREATE TABLE hr.leave_kinds (
    id integer NOT NULL,
    name text NOT NULL,
    paid boolean DEFAULT true NOT NULL,
    yearly numeric(4,1)
);

--
-- Name: leave_kinds_id_seq; Type: SEQUENCE; Schema: hr; Owner: -
--

CREATE SEQUENCE hr.leave_kinds_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: leave_kinds_id_seq; Type: SEQUENCE OWNED BY; Schema: hr; Owner: -
--

ALTER SEQUENCE hr.leave_kinds_id_seq OWNED BY hr.leave_kinds.id;

--
-- Name: leaves; Type: TABLE; Schema: hr; Owner: -
--

CREATE TABLE hr.leaves (
    id bigint NOT NULL,
    employee_id integer NOT NULL,
    kind_id integer NOT NULL,
    days daterange NOT NULL,
    state hr.leave_state DEFAULT 'requested'::hr.leave_state NOT NULL,
    decided_by integer,
    CONSTRAINT leaves_days_check CHECK ((NOT isempty(days)))
);

--
-- Name: leaves_id_seq; Type: SEQUENCE; Schema: hr; Owner: -
--

CREATE SEQUENCE hr.leaves_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: leaves_id_seq; Type: SEQUENCE OWNED BY; Schema: hr; Owner: -
--

ALTER SEQUENCE hr.leaves_id_seq OWNED BY hr.leaves.id;

--
-- Name: payroll_rules; Type: TABLE; Schema: hr; Owner: -
--

CREATE TABLE hr.payroll_rules (
    id integer NOT NULL,
    company_id integer NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    formula text,
    account_id integer,
    sort integer DEFAULT 100 NOT NULL
);

--
-- Name: payroll_rules_id_seq; Type: SEQUENCE; Schema: hr; Owner: -
--

CREATE SEQUENCE hr.payroll_rules_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: payroll_rules_id_seq; Type: SEQUENCE OWNED BY; Schema: hr; Owner: -
--

ALTER SEQUENCE hr.payroll_rules_id_seq OWNED BY hr.payroll_rules.id;

--
-- Name: payslip_lines; Type: TABLE; Schema: hr; Owner: -
--

CREATE TABLE hr.payslip_lines (
    payslip_id bigint NOT NULL,
    rule_id integer NOT NULL,
    amount numeric(12,2) NOT NULL
);

--
-- Name: payslips; Type: TABLE; Schema: hr; Owner: -
--

CREATE TABLE hr.payslips (
    id bigint NOT NULL,
    employee_id integer NOT NULL,
    contract_id integer NOT NULL,
    month date NOT NULL,
    move_id bigint,
    CONSTRAINT payslips_month_check CHECK ((month = (date_trunc('month'::text, (month)::timestamp without time zone))::date))
);

--
-- Name: payslips_id_seq; Type: SEQUENCE; Schema: hr; Owner: -
--

CREATE SEQUENCE hr.payslips_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: payslips_id_seq; Type: SEQUENCE OWNED BY; Schema: hr; Owner: -
--

ALTER SEQUENCE hr.payslips_id_seq OWNED BY hr.payslips.id;

--
-- Name: present; Type: VIEW; Schema: hr; Owner: -
--

CREATE VIEW hr.present AS
 SELECT e.id,
    e.name,
    a.came
   FROM (hr.employees e
     JOIN hr.attendances a ON ((a.employee_id = e.id)))
  WHERE (a.went IS NULL);

--
-- Name: public_holidays; Type: TABLE; Schema: hr; Owner: -
--

CREATE TABLE hr.public_holidays (
    country_id integer NOT NULL,
    day date NOT NULL,
    name text NOT NULL
);

--
-- Name: skills; Type: TABLE; Schema: hr; Owner: -
--

CREATE TABLE hr.skills (
    id integer NOT NULL,
    name text NOT NULL,
    parent_id integer
);

--
-- Name: skills_id_seq; Type: SEQUENCE; Schema: hr; Owner: -
--

CREATE SEQUENCE hr.skills_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: skills_id_seq; Type: SEQUENCE OWNED BY; Schema: hr; Owner: -
--

ALTER SEQUENCE hr.skills_id_seq OWNED BY hr.skills.id;

--
-- Name: attachments; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.attachments (
    id bigint NOT NULL,
    model text NOT NULL,
    record_id bigint NOT NULL,
    name text NOT NULL,
    media_type text DEFAULT '*/*'::text NOT NULL,
    data bytea,
    created_by integer
);

--
-- Name: attachments_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.attachments_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: attachments_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.attachments_id_seq OWNED BY public.attachments.id;

--
-- Name: bank_accounts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.bank_accounts (
    id integer NOT NULL,
    partner_id integer NOT NULL,
    bank_id integer,
    number public.iban NOT NULL
);

--
-- Name: bank_accounts_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.bank_accounts_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: bank_accounts_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.bank_accounts_id_seq OWNED BY public.bank_accounts.id;

--
-- Name: banks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.banks (
    id integer NOT NULL,
    name text NOT NULL,
    bic character varying(11)
);

--
-- Name: banks_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.banks_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: banks_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.banks_id_seq OWNED BY public.banks.id;

--
-- Name: changes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.changes (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    relation text NOT NULL,
    record text,
    was jsonb,
    became jsonb
)
PARTITION BY RANGE (at);

--
-- Name: changes_2024; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.changes_2024 (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    relation text NOT NULL,
    record text,
    was jsonb,
    became jsonb
);

--
-- Name: changes_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.changes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.changes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: changes_rest; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.changes_rest (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    relation text NOT NULL,
    record text,
    was jsonb,
    became jsonb
);

--
-- Name: companies; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.companies (
    id integer NOT NULL,
    name text NOT NULL,
    parent_id integer,
    currency_id integer NOT NULL,
    partner_id integer,
    fiscal_month smallint DEFAULT 12 NOT NULL,
    lock_date date,
    created_at timestamp without time zone DEFAULT now() NOT NULL,
    CONSTRAINT companies_fiscal_month_check CHECK (((fiscal_month >= 1) AND (fiscal_month <= 12)))
);

--
-- Name: companies_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.companies_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: companies_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.companies_id_seq OWNED BY public.companies.id;

--
-- Name: countries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.countries (
    id integer NOT NULL,
    code character(2) NOT NULL,
    name text NOT NULL,
    currency_id integer
);

--
-- Name: countries_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.countries_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: countries_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.countries_id_seq OWNED BY public.countries.id;

--
-- Name: currencies; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.currencies (
    id integer NOT NULL,
    code character(3) NOT NULL,
    symbol text,
    decimals smallint DEFAULT 2 NOT NULL,
    active boolean DEFAULT true NOT NULL
);

--
-- Name: currencies_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.currencies_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: currencies_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.currencies_id_seq OWNED BY public.currencies.id;

--
-- Name: currency_rates; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.currency_rates (
    currency_id integer NOT NULL,
    company_id integer NOT NULL,
    day date NOT NULL,
    rate numeric(18,8) NOT NULL,
    CONSTRAINT currency_rates_rate_check CHECK ((rate > (0)::numeric))
);

--
-- Name: group_users; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.group_users (
    group_id integer NOT NULL,
    user_id integer NOT NULL
);

--
-- Name: groups; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.groups (
    id integer NOT NULL,
    name text NOT NULL,
    implied_by integer
);

--
-- Name: groups_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.groups_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: groups_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.groups_id_seq OWNED BY public.groups.id;

--
-- Name: partners_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.partners_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: partners_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.partners_id_seq OWNED BY public.partners.id;

--
-- Name: sequences; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.sequences (
    id integer NOT NULL,
    company_id integer,
    code text NOT NULL,
    prefix text DEFAULT ''::text NOT NULL,
    next_number integer DEFAULT 1 NOT NULL,
    padding smallint DEFAULT 5 NOT NULL
);

--
-- Name: sequences_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.sequences_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: sequences_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.sequences_id_seq OWNED BY public.sequences.id;

--
-- Name: states; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.states (
    id integer NOT NULL,
    country_id integer NOT NULL,
    code character varying(8) NOT NULL,
    name text NOT NULL
);

--
-- Name: states_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.states_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: states_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.states_id_seq OWNED BY public.states.id;

--
-- Name: user_companies; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.user_companies (
    user_id integer NOT NULL,
    company_id integer NOT NULL
);

--
-- Name: users; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.users (
    id integer NOT NULL,
    login text NOT NULL,
    partner_id integer NOT NULL,
    company_id integer NOT NULL,
    password_hash text,
    active boolean DEFAULT true
);

--
-- Name: users_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.users_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

--
-- Name: users_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.users_id_seq OWNED BY public.users.id;

--
-- Name: changes_2024; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.changes ATTACH PARTITION public.changes_2024 FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2025-01-01 00:00:00+00');

--
-- Name: changes_rest; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.changes ATTACH PARTITION public.changes_rest DEFAULT;

--
-- Name: account_tags id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.account_tags ALTER COLUMN id SET DEFAULT nextval('books.account_tags_id_seq'::regclass);

--
-- Name: accounts id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.accounts ALTER COLUMN id SET DEFAULT nextval('books.accounts_id_seq'::regclass);

--
-- Name: assets id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.assets ALTER COLUMN id SET DEFAULT nextval('books.assets_id_seq'::regclass);

--
-- Name: bank_statement_lines id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.bank_statement_lines ALTER COLUMN id SET DEFAULT nextval('books.bank_statement_lines_id_seq'::regclass);

--
-- Name: bank_statements id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.bank_statements ALTER COLUMN id SET DEFAULT nextval('books.bank_statements_id_seq'::regclass);

--
-- Name: budgets id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.budgets ALTER COLUMN id SET DEFAULT nextval('books.budgets_id_seq'::regclass);

--
-- Name: charts id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.charts ALTER COLUMN id SET DEFAULT nextval('books.charts_id_seq'::regclass);

--
-- Name: cost_centres id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.cost_centres ALTER COLUMN id SET DEFAULT nextval('books.cost_centres_id_seq'::regclass);

--
-- Name: cost_lines id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.cost_lines ALTER COLUMN id SET DEFAULT nextval('books.cost_lines_id_seq'::regclass);

--
-- Name: fiscal_years id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.fiscal_years ALTER COLUMN id SET DEFAULT nextval('books.fiscal_years_id_seq'::regclass);

--
-- Name: invoice_lines id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.invoice_lines ALTER COLUMN id SET DEFAULT nextval('books.invoice_lines_id_seq'::regclass);

--
-- Name: invoices id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.invoices ALTER COLUMN id SET DEFAULT nextval('books.invoices_id_seq'::regclass);

--
-- Name: journals id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.journals ALTER COLUMN id SET DEFAULT nextval('books.journals_id_seq'::regclass);

--
-- Name: move_lines id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.move_lines ALTER COLUMN id SET DEFAULT nextval('books.move_lines_id_seq'::regclass);

--
-- Name: moves id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.moves ALTER COLUMN id SET DEFAULT nextval('books.moves_id_seq'::regclass);

--
-- Name: payment_term_lines id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.payment_term_lines ALTER COLUMN id SET DEFAULT nextval('books.payment_term_lines_id_seq'::regclass);

--
-- Name: payment_terms id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.payment_terms ALTER COLUMN id SET DEFAULT nextval('books.payment_terms_id_seq'::regclass);

--
-- Name: payments id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.payments ALTER COLUMN id SET DEFAULT nextval('books.payments_id_seq'::regclass);

--
-- Name: reconciles id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.reconciles ALTER COLUMN id SET DEFAULT nextval('books.reconciles_id_seq'::regclass);

--
-- Name: taxes id; Type: DEFAULT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.taxes ALTER COLUMN id SET DEFAULT nextval('books.taxes_id_seq'::regclass);

--
-- Name: applicants id; Type: DEFAULT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.applicants ALTER COLUMN id SET DEFAULT nextval('hr.applicants_id_seq'::regclass);

--
-- Name: attendances id; Type: DEFAULT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.attendances ALTER COLUMN id SET DEFAULT nextval('hr.attendances_id_seq'::regclass);

--
-- Name: calendars id; Type: DEFAULT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.calendars ALTER COLUMN id SET DEFAULT nextval('hr.calendars_id_seq'::regclass);

--
-- Name: contracts id; Type: DEFAULT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.contracts ALTER COLUMN id SET DEFAULT nextval('hr.contracts_id_seq'::regclass);

--
-- Name: departments id; Type: DEFAULT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.departments ALTER COLUMN id SET DEFAULT nextval('hr.departments_id_seq'::regclass);

--
-- Name: employees id; Type: DEFAULT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.employees ALTER COLUMN id SET DEFAULT nextval('hr.employees_id_seq'::regclass);

--
-- Name: expenses id; Type: DEFAULT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.expenses ALTER COLUMN id SET DEFAULT nextval('hr.expenses_id_seq'::regclass);

--
-- Name: jobs id; Type: DEFAULT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.jobs ALTER COLUMN id SET DEFAULT nextval('hr.jobs_id_seq'::regclass);

--
-- Name: leave_kinds id; Type: DEFAULT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.leave_kinds ALTER COLUMN id SET DEFAULT nextval('hr.leave_kinds_id_seq'::regclass);

--
-- Name: leaves id; Type: DEFAULT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.leaves ALTER COLUMN id SET DEFAULT nextval('hr.leaves_id_seq'::regclass);

--
-- Name: payroll_rules id; Type: DEFAULT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.payroll_rules ALTER COLUMN id SET DEFAULT nextval('hr.payroll_rules_id_seq'::regclass);

--
-- Name: payslips id; Type: DEFAULT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.payslips ALTER COLUMN id SET DEFAULT nextval('hr.payslips_id_seq'::regclass);

--
-- Name: skills id; Type: DEFAULT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.skills ALTER COLUMN id SET DEFAULT nextval('hr.skills_id_seq'::regclass);

--
-- Name: attachments id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.attachments ALTER COLUMN id SET DEFAULT nextval('public.attachments_id_seq'::regclass);

--
-- Name: bank_accounts id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.bank_accounts ALTER COLUMN id SET DEFAULT nextval('public.bank_accounts_id_seq'::regclass);

--
-- Name: banks id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.banks ALTER COLUMN id SET DEFAULT nextval('public.banks_id_seq'::regclass);

--
-- Name: companies id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.companies ALTER COLUMN id SET DEFAULT nextval('public.companies_id_seq'::regclass);

--
-- Name: countries id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.countries ALTER COLUMN id SET DEFAULT nextval('public.countries_id_seq'::regclass);

--
-- Name: currencies id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.currencies ALTER COLUMN id SET DEFAULT nextval('public.currencies_id_seq'::regclass);

--
-- Name: groups id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.groups ALTER COLUMN id SET DEFAULT nextval('public.groups_id_seq'::regclass);

--
-- Name: partners id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.partners ALTER COLUMN id SET DEFAULT nextval('public.partners_id_seq'::regclass);

--
-- Name: sequences id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sequences ALTER COLUMN id SET DEFAULT nextval('public.sequences_id_seq'::regclass);

--
-- Name: states id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.states ALTER COLUMN id SET DEFAULT nextval('public.states_id_seq'::regclass);

--
-- Name: users id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users ALTER COLUMN id SET DEFAULT nextval('public.users_id_seq'::regclass);

--
-- Name: account_tags account_tags_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.account_tags
    ADD CONSTRAINT account_tags_pkey PRIMARY KEY (id);

--
-- Name: accounts accounts_code_company_uniq; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.accounts
    ADD CONSTRAINT accounts_code_company_uniq UNIQUE (company_id, code);

--
-- Name: accounts accounts_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (id);

--
-- Name: accounts_tags_rel accounts_tags_rel_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.accounts_tags_rel
    ADD CONSTRAINT accounts_tags_rel_pkey PRIMARY KEY (account_id, tag_id);

--
-- Name: asset_lines asset_lines_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.asset_lines
    ADD CONSTRAINT asset_lines_pkey PRIMARY KEY (asset_id, year);

--
-- Name: assets assets_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.assets
    ADD CONSTRAINT assets_pkey PRIMARY KEY (id);

--
-- Name: bank_statement_lines bank_statement_lines_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.bank_statement_lines
    ADD CONSTRAINT bank_statement_lines_pkey PRIMARY KEY (id);

--
-- Name: bank_statements bank_statements_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.bank_statements
    ADD CONSTRAINT bank_statements_pkey PRIMARY KEY (id);

--
-- Name: budgets budgets_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.budgets
    ADD CONSTRAINT budgets_pkey PRIMARY KEY (id);

--
-- Name: charts charts_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.charts
    ADD CONSTRAINT charts_pkey PRIMARY KEY (id);

--
-- Name: cost_centres cost_centres_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.cost_centres
    ADD CONSTRAINT cost_centres_pkey PRIMARY KEY (id);

--
-- Name: cost_lines cost_lines_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.cost_lines
    ADD CONSTRAINT cost_lines_pkey PRIMARY KEY (id);

--
-- Name: fiscal_years fiscal_years_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.fiscal_years
    ADD CONSTRAINT fiscal_years_pkey PRIMARY KEY (id);

--
-- Name: invoice_line_taxes invoice_line_taxes_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.invoice_line_taxes
    ADD CONSTRAINT invoice_line_taxes_pkey PRIMARY KEY (line_id, tax_id);

--
-- Name: invoice_lines invoice_lines_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.invoice_lines
    ADD CONSTRAINT invoice_lines_pkey PRIMARY KEY (id);

--
-- Name: invoices invoices_move_id_key; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.invoices
    ADD CONSTRAINT invoices_move_id_key UNIQUE (move_id);

--
-- Name: invoices invoices_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.invoices
    ADD CONSTRAINT invoices_pkey PRIMARY KEY (id);

--
-- Name: journals journals_company_id_code_key; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.journals
    ADD CONSTRAINT journals_company_id_code_key UNIQUE (company_id, code);

--
-- Name: journals journals_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.journals
    ADD CONSTRAINT journals_pkey PRIMARY KEY (id);

--
-- Name: move_lines move_lines_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.move_lines
    ADD CONSTRAINT move_lines_pkey PRIMARY KEY (id);

--
-- Name: moves moves_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.moves
    ADD CONSTRAINT moves_pkey PRIMARY KEY (id);

--
-- Name: payment_invoices payment_invoices_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.payment_invoices
    ADD CONSTRAINT payment_invoices_pkey PRIMARY KEY (payment_id, invoice_id);

--
-- Name: payment_term_lines payment_term_lines_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.payment_term_lines
    ADD CONSTRAINT payment_term_lines_pkey PRIMARY KEY (id);

--
-- Name: payment_terms payment_terms_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.payment_terms
    ADD CONSTRAINT payment_terms_pkey PRIMARY KEY (id);

--
-- Name: payments payments_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.payments
    ADD CONSTRAINT payments_pkey PRIMARY KEY (id);

--
-- Name: reconciles reconciles_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.reconciles
    ADD CONSTRAINT reconciles_pkey PRIMARY KEY (id);

--
-- Name: taxes taxes_company_id_name_scope_key; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.taxes
    ADD CONSTRAINT taxes_company_id_name_scope_key UNIQUE (company_id, name, scope);

--
-- Name: taxes taxes_pkey; Type: CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.taxes
    ADD CONSTRAINT taxes_pkey PRIMARY KEY (id);

--
-- Name: applicants applicants_pkey; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.applicants
    ADD CONSTRAINT applicants_pkey PRIMARY KEY (id);

--
-- Name: attendances attendances_pkey; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.attendances
    ADD CONSTRAINT attendances_pkey PRIMARY KEY (id);

--
-- Name: calendar_hours calendar_hours_pkey; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.calendar_hours
    ADD CONSTRAINT calendar_hours_pkey PRIMARY KEY (calendar_id, weekday, starts);

--
-- Name: calendars calendars_pkey; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.calendars
    ADD CONSTRAINT calendars_pkey PRIMARY KEY (id);

--
-- Name: contracts contracts_pkey; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.contracts
    ADD CONSTRAINT contracts_pkey PRIMARY KEY (id);

--
-- Name: departments departments_pkey; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.departments
    ADD CONSTRAINT departments_pkey PRIMARY KEY (id);

--
-- Name: employee_skills employee_skills_pkey; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.employee_skills
    ADD CONSTRAINT employee_skills_pkey PRIMARY KEY (employee_id, skill_id);

--
-- Name: employees employees_pkey; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.employees
    ADD CONSTRAINT employees_pkey PRIMARY KEY (id);

--
-- Name: employees employees_user_id_key; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.employees
    ADD CONSTRAINT employees_user_id_key UNIQUE (user_id);

--
-- Name: expenses expenses_pkey; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.expenses
    ADD CONSTRAINT expenses_pkey PRIMARY KEY (id);

--
-- Name: jobs jobs_pkey; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);

--
-- Name: leave_grants leave_grants_pkey; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.leave_grants
    ADD CONSTRAINT leave_grants_pkey PRIMARY KEY (employee_id, kind_id, year);

--
-- Name: leave_kinds leave_kinds_pkey; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.leave_kinds
    ADD CONSTRAINT leave_kinds_pkey PRIMARY KEY (id);

--
-- Name: leaves leaves_pkey; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.leaves
    ADD CONSTRAINT leaves_pkey PRIMARY KEY (id);

--
-- Name: payroll_rules payroll_rules_company_id_code_key; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.payroll_rules
    ADD CONSTRAINT payroll_rules_company_id_code_key UNIQUE (company_id, code);

--
-- Name: payroll_rules payroll_rules_pkey; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.payroll_rules
    ADD CONSTRAINT payroll_rules_pkey PRIMARY KEY (id);

--
-- Name: payslip_lines payslip_lines_pkey; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.payslip_lines
    ADD CONSTRAINT payslip_lines_pkey PRIMARY KEY (payslip_id, rule_id);

--
-- Name: payslips payslips_employee_id_month_key; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.payslips
    ADD CONSTRAINT payslips_employee_id_month_key UNIQUE (employee_id, month);

--
-- Name: payslips payslips_pkey; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.payslips
    ADD CONSTRAINT payslips_pkey PRIMARY KEY (id);

--
-- Name: public_holidays public_holidays_pkey; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.public_holidays
    ADD CONSTRAINT public_holidays_pkey PRIMARY KEY (country_id, day);

--
-- Name: skills skills_name_key; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.skills
    ADD CONSTRAINT skills_name_key UNIQUE (name);

--
-- Name: skills skills_pkey; Type: CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.skills
    ADD CONSTRAINT skills_pkey PRIMARY KEY (id);

--
-- Name: attachments attachments_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.attachments
    ADD CONSTRAINT attachments_pkey PRIMARY KEY (id);

--
-- Name: bank_accounts bank_accounts_partner_id_number_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.bank_accounts
    ADD CONSTRAINT bank_accounts_partner_id_number_key UNIQUE (partner_id, number);

--
-- Name: bank_accounts bank_accounts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.bank_accounts
    ADD CONSTRAINT bank_accounts_pkey PRIMARY KEY (id);

--
-- Name: banks banks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.banks
    ADD CONSTRAINT banks_pkey PRIMARY KEY (id);

--
-- Name: companies companies_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.companies
    ADD CONSTRAINT companies_name_key UNIQUE (name);

--
-- Name: companies companies_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.companies
    ADD CONSTRAINT companies_pkey PRIMARY KEY (id);

--
-- Name: countries countries_code_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.countries
    ADD CONSTRAINT countries_code_key UNIQUE (code);

--
-- Name: countries countries_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.countries
    ADD CONSTRAINT countries_pkey PRIMARY KEY (id);

--
-- Name: currencies currencies_code_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.currencies
    ADD CONSTRAINT currencies_code_key UNIQUE (code);

--
-- Name: currencies currencies_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.currencies
    ADD CONSTRAINT currencies_pkey PRIMARY KEY (id);

--
-- Name: currency_rates currency_rates_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.currency_rates
    ADD CONSTRAINT currency_rates_pkey PRIMARY KEY (currency_id, company_id, day);

--
-- Name: group_users group_users_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.group_users
    ADD CONSTRAINT group_users_pkey PRIMARY KEY (group_id, user_id);

--
-- Name: groups groups_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.groups
    ADD CONSTRAINT groups_pkey PRIMARY KEY (id);

--
-- Name: partners partners_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.partners
    ADD CONSTRAINT partners_pkey PRIMARY KEY (id);

--
-- Name: sequences sequences_company_id_code_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sequences
    ADD CONSTRAINT sequences_company_id_code_key UNIQUE (company_id, code);

--
-- Name: sequences sequences_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sequences
    ADD CONSTRAINT sequences_pkey PRIMARY KEY (id);

--
-- Name: states states_country_id_code_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.states
    ADD CONSTRAINT states_country_id_code_key UNIQUE (country_id, code);

--
-- Name: states states_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.states
    ADD CONSTRAINT states_pkey PRIMARY KEY (id);

--
-- Name: user_companies user_companies_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_companies
    ADD CONSTRAINT user_companies_pkey PRIMARY KEY (user_id, company_id);

--
-- Name: users users_login_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_login_key UNIQUE (login);

--
-- Name: users users_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

--
-- Name: accounts_code_prefix; Type: INDEX; Schema: books; Owner: -
--

CREATE INDEX accounts_code_prefix ON books.accounts USING btree (code varchar_pattern_ops);

--
-- Name: move_lines_account_idx; Type: INDEX; Schema: books; Owner: -
--

CREATE INDEX move_lines_account_idx ON books.move_lines USING btree (account_id, partner_id) INCLUDE (balance);

--
-- Name: move_lines_open_idx; Type: INDEX; Schema: books; Owner: -
--

CREATE INDEX move_lines_open_idx ON books.move_lines USING btree (partner_id, due) WHERE (reconcile_id IS NULL);

--
-- Name: moves_company_day_idx; Type: INDEX; Schema: books; Owner: -
--

CREATE INDEX moves_company_day_idx ON books.moves USING btree (company_id, day DESC);

--
-- Name: moves_name_uniq; Type: INDEX; Schema: books; Owner: -
--

CREATE UNIQUE INDEX moves_name_uniq ON books.moves USING btree (journal_id, name) WHERE ((name <> '/'::text) AND (state = 'posted'::books.move_state));

--
-- Name: contracts_days_idx; Type: INDEX; Schema: hr; Owner: -
--

CREATE INDEX contracts_days_idx ON hr.contracts USING gist (days);

--
-- Name: headcount_key; Type: INDEX; Schema: hr; Owner: -
--

CREATE UNIQUE INDEX headcount_key ON hr.headcount USING btree (company_id, department);

--
-- Name: attachments_model_record_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX attachments_model_record_idx ON public.attachments USING btree (model, record_id);

--
-- Name: moves_company_journal; Type: STATISTICS; Schema: books; Owner: -
--

CREATE STATISTICS books.moves_company_journal ON company_id, journal_id FROM books.moves;

--
-- Name: trial_balance _RETURN; Type: RULE; Schema: books; Owner: -
--

CREATE OR REPLACE VIEW books.trial_balance AS
 SELECT a.company_id,
    a.code,
    a.name,
    a.kind,
    sum(l.debit) AS debit,
    sum(l.credit) AS credit,
    sum(l.balance) AS balance
   FROM ((books.accounts a
     JOIN books.move_lines l ON ((l.account_id = a.id)))
     JOIN books.moves m ON (((m.id = l.move_id) AND (m.state = 'posted'::books.move_state))))
  GROUP BY a.id;

--
-- Name: move_lines move_lines_posted; Type: TRIGGER; Schema: books; Owner: -
--

CREATE TRIGGER move_lines_posted BEFORE DELETE OR UPDATE OF debit, credit, account_id ON books.move_lines FOR EACH ROW EXECUTE FUNCTION books.forbid_change();

--
-- Name: moves moves_balanced; Type: TRIGGER; Schema: books; Owner: -
--

CREATE TRIGGER moves_balanced BEFORE UPDATE OF state ON books.moves FOR EACH ROW WHEN ((new.state = 'posted'::books.move_state)) EXECUTE FUNCTION books.check_balanced();

--
-- Name: accounts zz_changes; Type: TRIGGER; Schema: books; Owner: -
--

CREATE TRIGGER zz_changes AFTER INSERT OR DELETE OR UPDATE ON books.accounts FOR EACH ROW EXECUTE FUNCTION public.note_change();

--
-- Name: journals zz_changes; Type: TRIGGER; Schema: books; Owner: -
--

CREATE TRIGGER zz_changes AFTER INSERT OR DELETE OR UPDATE ON books.journals FOR EACH ROW EXECUTE FUNCTION public.note_change();

--
-- Name: moves zz_changes; Type: TRIGGER; Schema: books; Owner: -
--

CREATE TRIGGER zz_changes AFTER INSERT OR DELETE OR UPDATE ON books.moves FOR EACH ROW EXECUTE FUNCTION public.note_change();

--
-- Name: taxes zz_changes; Type: TRIGGER; Schema: books; Owner: -
--

CREATE TRIGGER zz_changes AFTER INSERT OR DELETE OR UPDATE ON books.taxes FOR EACH ROW EXECUTE FUNCTION public.note_change();

--
-- Name: contracts zz_changes; Type: TRIGGER; Schema: hr; Owner: -
--

CREATE TRIGGER zz_changes AFTER INSERT OR DELETE OR UPDATE ON hr.contracts FOR EACH ROW EXECUTE FUNCTION public.note_change();

--
-- Name: employees zz_changes; Type: TRIGGER; Schema: hr; Owner: -
--

CREATE TRIGGER zz_changes AFTER INSERT OR DELETE OR UPDATE ON hr.employees FOR EACH ROW EXECUTE FUNCTION public.note_change();

--
-- Name: payroll_rules zz_changes; Type: TRIGGER; Schema: hr; Owner: -
--

CREATE TRIGGER zz_changes AFTER INSERT OR DELETE OR UPDATE ON hr.payroll_rules FOR EACH ROW EXECUTE FUNCTION public.note_change();

--
-- Name: partners partners_display_name; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER partners_display_name BEFORE INSERT OR UPDATE OF name, parent_id ON public.partners FOR EACH ROW EXECUTE FUNCTION public.set_display_name();

--
-- Name: companies zz_changes; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER zz_changes AFTER INSERT OR DELETE OR UPDATE ON public.companies FOR EACH ROW EXECUTE FUNCTION public.note_change();

--
-- Name: partners zz_changes; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER zz_changes AFTER INSERT OR DELETE OR UPDATE ON public.partners FOR EACH ROW EXECUTE FUNCTION public.note_change();

--
-- Name: users zz_changes; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER zz_changes AFTER INSERT OR DELETE OR UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION public.note_change();

--
-- Name: accounts accounts_chart_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.accounts
    ADD CONSTRAINT accounts_chart_id_fkey FOREIGN KEY (chart_id) REFERENCES books.charts(id);

--
-- Name: accounts accounts_company_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.accounts
    ADD CONSTRAINT accounts_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: accounts accounts_currency_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.accounts
    ADD CONSTRAINT accounts_currency_id_fkey FOREIGN KEY (currency_id) REFERENCES public.currencies(id);

--
-- Name: accounts accounts_parent_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.accounts
    ADD CONSTRAINT accounts_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES books.accounts(id);

--
-- Name: accounts_tags_rel accounts_tags_rel_account_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.accounts_tags_rel
    ADD CONSTRAINT accounts_tags_rel_account_id_fkey FOREIGN KEY (account_id) REFERENCES books.accounts(id) ON DELETE CASCADE;

--
-- Name: accounts_tags_rel accounts_tags_rel_tag_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.accounts_tags_rel
    ADD CONSTRAINT accounts_tags_rel_tag_id_fkey FOREIGN KEY (tag_id) REFERENCES books.account_tags(id) ON DELETE CASCADE;

--
-- Name: asset_lines asset_lines_asset_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.asset_lines
    ADD CONSTRAINT asset_lines_asset_id_fkey FOREIGN KEY (asset_id) REFERENCES books.assets(id) ON DELETE CASCADE;

--
-- Name: asset_lines asset_lines_move_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.asset_lines
    ADD CONSTRAINT asset_lines_move_id_fkey FOREIGN KEY (move_id) REFERENCES books.moves(id);

--
-- Name: assets assets_account_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.assets
    ADD CONSTRAINT assets_account_id_fkey FOREIGN KEY (account_id) REFERENCES books.accounts(id);

--
-- Name: assets assets_company_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.assets
    ADD CONSTRAINT assets_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: assets assets_expense_account_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.assets
    ADD CONSTRAINT assets_expense_account_id_fkey FOREIGN KEY (expense_account_id) REFERENCES books.accounts(id);

--
-- Name: bank_statement_lines bank_statement_lines_move_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.bank_statement_lines
    ADD CONSTRAINT bank_statement_lines_move_id_fkey FOREIGN KEY (move_id) REFERENCES books.moves(id);

--
-- Name: bank_statement_lines bank_statement_lines_partner_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.bank_statement_lines
    ADD CONSTRAINT bank_statement_lines_partner_id_fkey FOREIGN KEY (partner_id) REFERENCES public.partners(id);

--
-- Name: bank_statement_lines bank_statement_lines_statement_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.bank_statement_lines
    ADD CONSTRAINT bank_statement_lines_statement_id_fkey FOREIGN KEY (statement_id) REFERENCES books.bank_statements(id) ON DELETE CASCADE;

--
-- Name: bank_statements bank_statements_journal_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.bank_statements
    ADD CONSTRAINT bank_statements_journal_id_fkey FOREIGN KEY (journal_id) REFERENCES books.journals(id);

--
-- Name: bank_statements bank_statements_previous_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.bank_statements
    ADD CONSTRAINT bank_statements_previous_id_fkey FOREIGN KEY (previous_id) REFERENCES books.bank_statements(id);

--
-- Name: budgets budgets_account_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.budgets
    ADD CONSTRAINT budgets_account_id_fkey FOREIGN KEY (account_id) REFERENCES books.accounts(id);

--
-- Name: budgets budgets_centre_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.budgets
    ADD CONSTRAINT budgets_centre_id_fkey FOREIGN KEY (centre_id) REFERENCES books.cost_centres(id);

--
-- Name: budgets budgets_company_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.budgets
    ADD CONSTRAINT budgets_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: charts charts_country_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.charts
    ADD CONSTRAINT charts_country_id_fkey FOREIGN KEY (country_id) REFERENCES public.countries(id);

--
-- Name: cost_centres cost_centres_company_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.cost_centres
    ADD CONSTRAINT cost_centres_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: cost_centres cost_centres_parent_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.cost_centres
    ADD CONSTRAINT cost_centres_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES books.cost_centres(id);

--
-- Name: cost_lines cost_lines_centre_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.cost_lines
    ADD CONSTRAINT cost_lines_centre_id_fkey FOREIGN KEY (centre_id) REFERENCES books.cost_centres(id);

--
-- Name: cost_lines cost_lines_employee_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.cost_lines
    ADD CONSTRAINT cost_lines_employee_id_fkey FOREIGN KEY (employee_id) REFERENCES hr.employees(id);

--
-- Name: cost_lines cost_lines_move_line_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.cost_lines
    ADD CONSTRAINT cost_lines_move_line_id_fkey FOREIGN KEY (move_line_id) REFERENCES books.move_lines(id) ON DELETE CASCADE;

--
-- Name: fiscal_years fiscal_years_company_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.fiscal_years
    ADD CONSTRAINT fiscal_years_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: invoice_line_taxes invoice_line_taxes_line_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.invoice_line_taxes
    ADD CONSTRAINT invoice_line_taxes_line_id_fkey FOREIGN KEY (line_id) REFERENCES books.invoice_lines(id) ON DELETE CASCADE;

--
-- Name: invoice_line_taxes invoice_line_taxes_tax_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.invoice_line_taxes
    ADD CONSTRAINT invoice_line_taxes_tax_id_fkey FOREIGN KEY (tax_id) REFERENCES books.taxes(id);

--
-- Name: invoice_lines invoice_lines_account_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.invoice_lines
    ADD CONSTRAINT invoice_lines_account_id_fkey FOREIGN KEY (account_id) REFERENCES books.accounts(id);

--
-- Name: invoice_lines invoice_lines_invoice_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.invoice_lines
    ADD CONSTRAINT invoice_lines_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES books.invoices(id) ON DELETE CASCADE;

--
-- Name: invoices invoices_company_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.invoices
    ADD CONSTRAINT invoices_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: invoices invoices_currency_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.invoices
    ADD CONSTRAINT invoices_currency_id_fkey FOREIGN KEY (currency_id) REFERENCES public.currencies(id);

--
-- Name: invoices invoices_move_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.invoices
    ADD CONSTRAINT invoices_move_id_fkey FOREIGN KEY (move_id) REFERENCES books.moves(id);

--
-- Name: invoices invoices_partner_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.invoices
    ADD CONSTRAINT invoices_partner_id_fkey FOREIGN KEY (partner_id) REFERENCES public.partners(id);

--
-- Name: invoices invoices_term_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.invoices
    ADD CONSTRAINT invoices_term_id_fkey FOREIGN KEY (term_id) REFERENCES books.payment_terms(id);

--
-- Name: journals journals_bank_account_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.journals
    ADD CONSTRAINT journals_bank_account_id_fkey FOREIGN KEY (bank_account_id) REFERENCES public.bank_accounts(id);

--
-- Name: journals journals_company_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.journals
    ADD CONSTRAINT journals_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: journals journals_default_account_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.journals
    ADD CONSTRAINT journals_default_account_id_fkey FOREIGN KEY (default_account_id) REFERENCES books.accounts(id);

--
-- Name: journals journals_sequence_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.journals
    ADD CONSTRAINT journals_sequence_id_fkey FOREIGN KEY (sequence_id) REFERENCES public.sequences(id);

--
-- Name: move_lines move_lines_account_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.move_lines
    ADD CONSTRAINT move_lines_account_id_fkey FOREIGN KEY (account_id) REFERENCES books.accounts(id);

--
-- Name: move_lines move_lines_currency_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.move_lines
    ADD CONSTRAINT move_lines_currency_id_fkey FOREIGN KEY (currency_id) REFERENCES public.currencies(id);

--
-- Name: move_lines move_lines_move_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.move_lines
    ADD CONSTRAINT move_lines_move_id_fkey FOREIGN KEY (move_id) REFERENCES books.moves(id) ON DELETE CASCADE;

--
-- Name: move_lines move_lines_partner_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.move_lines
    ADD CONSTRAINT move_lines_partner_id_fkey FOREIGN KEY (partner_id) REFERENCES public.partners(id);

--
-- Name: move_lines move_lines_reconcile_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.move_lines
    ADD CONSTRAINT move_lines_reconcile_id_fkey FOREIGN KEY (reconcile_id) REFERENCES books.reconciles(id) ON DELETE SET NULL;

--
-- Name: move_lines move_lines_tax_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.move_lines
    ADD CONSTRAINT move_lines_tax_id_fkey FOREIGN KEY (tax_id) REFERENCES books.taxes(id);

--
-- Name: moves moves_company_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.moves
    ADD CONSTRAINT moves_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: moves moves_journal_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.moves
    ADD CONSTRAINT moves_journal_id_fkey FOREIGN KEY (journal_id) REFERENCES books.journals(id);

--
-- Name: moves moves_partner_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.moves
    ADD CONSTRAINT moves_partner_id_fkey FOREIGN KEY (partner_id) REFERENCES public.partners(id);

--
-- Name: moves moves_posted_by_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.moves
    ADD CONSTRAINT moves_posted_by_fkey FOREIGN KEY (posted_by) REFERENCES public.users(id);

--
-- Name: moves moves_reversed_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.moves
    ADD CONSTRAINT moves_reversed_id_fkey FOREIGN KEY (reversed_id) REFERENCES books.moves(id);

--
-- Name: payment_invoices payment_invoices_invoice_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.payment_invoices
    ADD CONSTRAINT payment_invoices_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES books.invoices(id);

--
-- Name: payment_invoices payment_invoices_payment_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.payment_invoices
    ADD CONSTRAINT payment_invoices_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES books.payments(id);

--
-- Name: payment_term_lines payment_term_lines_term_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.payment_term_lines
    ADD CONSTRAINT payment_term_lines_term_id_fkey FOREIGN KEY (term_id) REFERENCES books.payment_terms(id) ON DELETE CASCADE;

--
-- Name: payments payments_bank_account_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.payments
    ADD CONSTRAINT payments_bank_account_id_fkey FOREIGN KEY (bank_account_id) REFERENCES public.bank_accounts(id);

--
-- Name: payments payments_company_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.payments
    ADD CONSTRAINT payments_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: payments payments_journal_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.payments
    ADD CONSTRAINT payments_journal_id_fkey FOREIGN KEY (journal_id) REFERENCES books.journals(id);

--
-- Name: payments payments_move_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.payments
    ADD CONSTRAINT payments_move_id_fkey FOREIGN KEY (move_id) REFERENCES books.moves(id);

--
-- Name: payments payments_partner_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.payments
    ADD CONSTRAINT payments_partner_id_fkey FOREIGN KEY (partner_id) REFERENCES public.partners(id);

--
-- Name: reconciles reconciles_company_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.reconciles
    ADD CONSTRAINT reconciles_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: reconciles reconciles_exchange_move_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.reconciles
    ADD CONSTRAINT reconciles_exchange_move_id_fkey FOREIGN KEY (exchange_move_id) REFERENCES books.moves(id);

--
-- Name: taxes taxes_account_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.taxes
    ADD CONSTRAINT taxes_account_id_fkey FOREIGN KEY (account_id) REFERENCES books.accounts(id);

--
-- Name: taxes taxes_company_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.taxes
    ADD CONSTRAINT taxes_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: taxes taxes_parent_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.taxes
    ADD CONSTRAINT taxes_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES books.taxes(id);

--
-- Name: taxes taxes_refund_account_id_fkey; Type: FK CONSTRAINT; Schema: books; Owner: -
--

ALTER TABLE ONLY books.taxes
    ADD CONSTRAINT taxes_refund_account_id_fkey FOREIGN KEY (refund_account_id) REFERENCES books.accounts(id);

--
-- Name: applicants applicants_job_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.applicants
    ADD CONSTRAINT applicants_job_id_fkey FOREIGN KEY (job_id) REFERENCES hr.jobs(id);

--
-- Name: applicants applicants_partner_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.applicants
    ADD CONSTRAINT applicants_partner_id_fkey FOREIGN KEY (partner_id) REFERENCES public.partners(id);

--
-- Name: attendances attendances_employee_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.attendances
    ADD CONSTRAINT attendances_employee_id_fkey FOREIGN KEY (employee_id) REFERENCES hr.employees(id);

--
-- Name: calendar_hours calendar_hours_calendar_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.calendar_hours
    ADD CONSTRAINT calendar_hours_calendar_id_fkey FOREIGN KEY (calendar_id) REFERENCES hr.calendars(id) ON DELETE CASCADE;

--
-- Name: calendars calendars_company_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.calendars
    ADD CONSTRAINT calendars_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: contracts contracts_calendar_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.contracts
    ADD CONSTRAINT contracts_calendar_id_fkey FOREIGN KEY (calendar_id) REFERENCES hr.calendars(id);

--
-- Name: contracts contracts_employee_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.contracts
    ADD CONSTRAINT contracts_employee_id_fkey FOREIGN KEY (employee_id) REFERENCES hr.employees(id);

--
-- Name: contracts contracts_job_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.contracts
    ADD CONSTRAINT contracts_job_id_fkey FOREIGN KEY (job_id) REFERENCES hr.jobs(id);

--
-- Name: departments departments_centre_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.departments
    ADD CONSTRAINT departments_centre_id_fkey FOREIGN KEY (centre_id) REFERENCES books.cost_centres(id);

--
-- Name: departments departments_company_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.departments
    ADD CONSTRAINT departments_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: departments departments_manager_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.departments
    ADD CONSTRAINT departments_manager_id_fkey FOREIGN KEY (manager_id) REFERENCES hr.employees(id) ON DELETE SET NULL;

--
-- Name: departments departments_parent_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.departments
    ADD CONSTRAINT departments_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES hr.departments(id);

--
-- Name: employee_skills employee_skills_employee_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.employee_skills
    ADD CONSTRAINT employee_skills_employee_id_fkey FOREIGN KEY (employee_id) REFERENCES hr.employees(id) ON DELETE CASCADE;

--
-- Name: employee_skills employee_skills_skill_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.employee_skills
    ADD CONSTRAINT employee_skills_skill_id_fkey FOREIGN KEY (skill_id) REFERENCES hr.skills(id);

--
-- Name: employees employees_bank_account_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.employees
    ADD CONSTRAINT employees_bank_account_id_fkey FOREIGN KEY (bank_account_id) REFERENCES public.bank_accounts(id);

--
-- Name: employees employees_company_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.employees
    ADD CONSTRAINT employees_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: employees employees_department_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.employees
    ADD CONSTRAINT employees_department_id_fkey FOREIGN KEY (department_id) REFERENCES hr.departments(id);

--
-- Name: employees employees_job_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.employees
    ADD CONSTRAINT employees_job_id_fkey FOREIGN KEY (job_id) REFERENCES hr.jobs(id);

--
-- Name: employees employees_manager_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.employees
    ADD CONSTRAINT employees_manager_id_fkey FOREIGN KEY (manager_id) REFERENCES hr.employees(id);

--
-- Name: employees employees_partner_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.employees
    ADD CONSTRAINT employees_partner_id_fkey FOREIGN KEY (partner_id) REFERENCES public.partners(id);

--
-- Name: employees employees_user_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.employees
    ADD CONSTRAINT employees_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

--
-- Name: expenses expenses_attachment_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.expenses
    ADD CONSTRAINT expenses_attachment_id_fkey FOREIGN KEY (attachment_id) REFERENCES public.attachments(id);

--
-- Name: expenses expenses_currency_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.expenses
    ADD CONSTRAINT expenses_currency_id_fkey FOREIGN KEY (currency_id) REFERENCES public.currencies(id);

--
-- Name: expenses expenses_employee_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.expenses
    ADD CONSTRAINT expenses_employee_id_fkey FOREIGN KEY (employee_id) REFERENCES hr.employees(id);

--
-- Name: expenses expenses_move_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.expenses
    ADD CONSTRAINT expenses_move_id_fkey FOREIGN KEY (move_id) REFERENCES books.moves(id);

--
-- Name: jobs jobs_company_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.jobs
    ADD CONSTRAINT jobs_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: jobs jobs_department_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.jobs
    ADD CONSTRAINT jobs_department_id_fkey FOREIGN KEY (department_id) REFERENCES hr.departments(id);

--
-- Name: leave_grants leave_grants_employee_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.leave_grants
    ADD CONSTRAINT leave_grants_employee_id_fkey FOREIGN KEY (employee_id) REFERENCES hr.employees(id);

--
-- Name: leave_grants leave_grants_kind_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.leave_grants
    ADD CONSTRAINT leave_grants_kind_id_fkey FOREIGN KEY (kind_id) REFERENCES hr.leave_kinds(id);

--
-- Name: leaves leaves_decided_by_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.leaves
    ADD CONSTRAINT leaves_decided_by_fkey FOREIGN KEY (decided_by) REFERENCES hr.employees(id);

--
-- Name: leaves leaves_employee_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.leaves
    ADD CONSTRAINT leaves_employee_id_fkey FOREIGN KEY (employee_id) REFERENCES hr.employees(id);

--
-- Name: leaves leaves_kind_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.leaves
    ADD CONSTRAINT leaves_kind_id_fkey FOREIGN KEY (kind_id) REFERENCES hr.leave_kinds(id);

--
-- Name: payroll_rules payroll_rules_account_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.payroll_rules
    ADD CONSTRAINT payroll_rules_account_id_fkey FOREIGN KEY (account_id) REFERENCES books.accounts(id);

--
-- Name: payroll_rules payroll_rules_company_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.payroll_rules
    ADD CONSTRAINT payroll_rules_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: payslip_lines payslip_lines_payslip_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.payslip_lines
    ADD CONSTRAINT payslip_lines_payslip_id_fkey FOREIGN KEY (payslip_id) REFERENCES hr.payslips(id) ON DELETE CASCADE;

--
-- Name: payslip_lines payslip_lines_rule_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.payslip_lines
    ADD CONSTRAINT payslip_lines_rule_id_fkey FOREIGN KEY (rule_id) REFERENCES hr.payroll_rules(id);

--
-- Name: payslips payslips_contract_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.payslips
    ADD CONSTRAINT payslips_contract_id_fkey FOREIGN KEY (contract_id) REFERENCES hr.contracts(id);

--
-- Name: payslips payslips_employee_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.payslips
    ADD CONSTRAINT payslips_employee_id_fkey FOREIGN KEY (employee_id) REFERENCES hr.employees(id);

--
-- Name: payslips payslips_move_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.payslips
    ADD CONSTRAINT payslips_move_id_fkey FOREIGN KEY (move_id) REFERENCES books.moves(id);

--
-- Name: public_holidays public_holidays_country_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.public_holidays
    ADD CONSTRAINT public_holidays_country_id_fkey FOREIGN KEY (country_id) REFERENCES public.countries(id);

--
-- Name: skills skills_parent_id_fkey; Type: FK CONSTRAINT; Schema: hr; Owner: -
--

ALTER TABLE ONLY hr.skills
    ADD CONSTRAINT skills_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES hr.skills(id);

--
-- Name: attachments attachments_created_by_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.attachments
    ADD CONSTRAINT attachments_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.users(id);

--
-- Name: bank_accounts bank_accounts_bank_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.bank_accounts
    ADD CONSTRAINT bank_accounts_bank_id_fkey FOREIGN KEY (bank_id) REFERENCES public.banks(id);

--
-- Name: bank_accounts bank_accounts_partner_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.bank_accounts
    ADD CONSTRAINT bank_accounts_partner_id_fkey FOREIGN KEY (partner_id) REFERENCES public.partners(id) ON DELETE CASCADE;

--
-- Name: companies companies_currency_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.companies
    ADD CONSTRAINT companies_currency_id_fkey FOREIGN KEY (currency_id) REFERENCES public.currencies(id);

--
-- Name: companies companies_parent_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.companies
    ADD CONSTRAINT companies_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES public.companies(id) ON DELETE RESTRICT;

--
-- Name: companies companies_partner_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.companies
    ADD CONSTRAINT companies_partner_id_fkey FOREIGN KEY (partner_id) REFERENCES public.partners(id) DEFERRABLE INITIALLY DEFERRED;

--
-- Name: countries countries_currency_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.countries
    ADD CONSTRAINT countries_currency_id_fkey FOREIGN KEY (currency_id) REFERENCES public.currencies(id) ON DELETE SET NULL;

--
-- Name: currency_rates currency_rates_company_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.currency_rates
    ADD CONSTRAINT currency_rates_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: currency_rates currency_rates_currency_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.currency_rates
    ADD CONSTRAINT currency_rates_currency_id_fkey FOREIGN KEY (currency_id) REFERENCES public.currencies(id);

--
-- Name: group_users group_users_group_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.group_users
    ADD CONSTRAINT group_users_group_id_fkey FOREIGN KEY (group_id) REFERENCES public.groups(id) ON DELETE CASCADE;

--
-- Name: group_users group_users_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.group_users
    ADD CONSTRAINT group_users_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

--
-- Name: groups groups_implied_by_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.groups
    ADD CONSTRAINT groups_implied_by_fkey FOREIGN KEY (implied_by) REFERENCES public.groups(id);

--
-- Name: partners partners_company_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.partners
    ADD CONSTRAINT partners_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: partners partners_country_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.partners
    ADD CONSTRAINT partners_country_id_fkey FOREIGN KEY (country_id) REFERENCES public.countries(id);

--
-- Name: partners partners_parent_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.partners
    ADD CONSTRAINT partners_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES public.partners(id) ON DELETE SET NULL;

--
-- Name: partners partners_state_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.partners
    ADD CONSTRAINT partners_state_id_fkey FOREIGN KEY (state_id) REFERENCES public.states(id);

--
-- Name: sequences sequences_company_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sequences
    ADD CONSTRAINT sequences_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: states states_country_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.states
    ADD CONSTRAINT states_country_id_fkey FOREIGN KEY (country_id) REFERENCES public.countries(id) ON DELETE CASCADE;

--
-- Name: user_companies user_companies_company_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_companies
    ADD CONSTRAINT user_companies_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id) ON DELETE CASCADE;

--
-- Name: user_companies user_companies_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_companies
    ADD CONSTRAINT user_companies_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

--
-- Name: users users_company_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.companies(id);

--
-- Name: users users_partner_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_partner_id_fkey FOREIGN KEY (partner_id) REFERENCES public.partners(id);

--
-- Name: invoices; Type: ROW SECURITY; Schema: books; Owner: -
--

ALTER TABLE books.invoices ENABLE ROW LEVEL SECURITY;

--
-- Name: invoices own_company; Type: POLICY; Schema: books; Owner: -
--

CREATE POLICY own_company ON books.invoices USING ((company_id = public.current_company()));

--
-- Name: payslips own_payslips; Type: POLICY; Schema: hr; Owner: -
--

CREATE POLICY own_payslips ON hr.payslips FOR SELECT USING ((employee_id IN ( SELECT e.id
   FROM (hr.employees e
     JOIN public.users u ON ((u.id = e.user_id)))
  WHERE (u.login = CURRENT_USER))));

--
-- Name: payslips; Type: ROW SECURITY; Schema: hr; Owner: -
--

ALTER TABLE hr.payslips ENABLE ROW LEVEL SECURITY;

--
-- PostgreSQL database dump complete
--

