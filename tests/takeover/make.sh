#!/usr/bin/env bash
# Usage: tests/takeover/make.sh BINARY FOLDER
# Runs the gateway BINARY of some commit on its embedded PostgreSQL, lets it do what gateways do, stops it, and packs what it
# leaves into FOLDER (tests/takeover/<commit>): `data.tar.gz`, `cluster.sql.gz`, `bundles/`, and `steps.jsonl`, which says
# what was sent and what came back. tests/isolation/takeover.rs lets the gateway of today take it over.
#
# The cluster is packed as SQL, so that it can be restored into every version of PostgreSQL. pg_dumpall would pass over the
# blueprints, which are closed: they are opened for it, and the SQL closes them at its end. Databases know that nobody touched
# them by a sum over transaction ids, which no dump keeps: `mark.sql` is how BINARY computes it, for who restores them. Needs pg_dumpall, curl and tar, and the
# PostgreSQL to use as PG_BIN_DIR, or an installed one, with contrib.
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
exec </dev/null
(($# == 2)) || fail "usage: tests/takeover/make.sh BINARY FOLDER"
binary=$(realpath -e "$1")
mkdir -p "$2"
target=$(realpath -e "$2")
bin_dir=$(postgres_bin_dir)
[[ -x $bin_dir/pg_dumpall ]] || fail "$bin_dir has no pg_dumpall"

work=$(mktemp -d)
# Root's gateway runs PostgreSQL as the user postgres, who has to get in.
chmod 755 "$work"
gateway=
stop_gateway() {
    [[ -n $gateway ]] || return 0
    kill -TERM "$gateway" 2>/dev/null || true
    wait "$gateway" || fail "the gateway did not stop as it should: $(tail -n 3 "$work/gateway.log")"
    gateway=
}
trap 'stop_gateway; rm -rf "$work"' EXIT

# Usage: start_gateway PLATFORM_ROLES
start_gateway() {
    local port
    port=$(free_port)
    url=http://127.0.0.1:$port
    (cd "$work" && exec env -i PATH="$PATH" GATEWAY_PORT="$port" DATA_DIR="$work/data" PG_BIN_DIR="$bin_dir" \
        PLATFORM_ROLES="$1" ALLOWED_EXTENSIONS='*' "$binary") >>"$work/gateway.log" 2>&1 &
    gateway=$!
    wait_until_healthy "$url" "$gateway" 120 || fail "the gateway did not start: $(tail -n 3 "$work/gateway.log")"
    PGHOST=$work/data/postgres PGPORT=5432 PGUSER=stonescriptdb PGDATABASE=postgres
    PGPASSWORD=$(<"$work/data/.postgres-password")
    export PGHOST PGPORT PGUSER PGDATABASE PGPASSWORD
}

# --- bundles ----------------------------------------------------------------------------------------------------------

rm -rf "$target/bundles"
mkdir -p "$target/bundles"
# Usage: pack NAME FOLDER; the same bytes whenever the files are the same.
pack() {
    tar -C "$2" --sort=name --owner=0 --group=0 --mtime=2000-01-01 -cf - . | gzip -9n >"$target/bundles/$1.tar.gz"
}
# Usage: write_file PATH TEXT, in the bundle that is being made.
write_file() {
    mkdir -p "$(dirname "$work/bundle/$1")"
    printf '%s\n' "$2" >"$work/bundle/$1"
}
new_bundle() {
    rm -rf "$work/bundle"
    mkdir "$work/bundle"
}

make_bundles() {
    pack todos "$root/examples/todos/postgresql"
    pack books "$root/tests/schemas/books"
    pack stores-main "$root/examples/stores/main_db"
    pack stores-tenant "$root/examples/stores/tenant_db"

    # Two releases of one platform, so that there is a past: an enum, migrations, a function that changed.
    new_bundle
    write_file types/mood.sql "CREATE TYPE mood AS ENUM ('calm', 'busy');"
    write_file tables/note.sql "CREATE TABLE note (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text NOT NULL, mood mood);"
    write_file migrations/001_empty.sql ""
    write_file functions/add_note.sql "CREATE FUNCTION add_note(p_text text) RETURNS SETOF note LANGUAGE sql AS \$\$
    INSERT INTO note (text) VALUES (p_text) RETURNING * \$\$;"
    write_file functions/who.sql "CREATE FUNCTION who() RETURNS text LANGUAGE sql AS \$\$ SELECT session_user::text \$\$;"
    pack notes-1 "$work/bundle"
    write_file tables/note.sql "CREATE TABLE note (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text NOT NULL, mood mood,
    seen boolean NOT NULL DEFAULT false);"
    write_file migrations/002_calm.sql "UPDATE note SET mood = 'calm' WHERE mood IS NULL;"
    write_file functions/add_note.sql "CREATE FUNCTION add_note(p_text text) RETURNS SETOF note LANGUAGE sql AS \$\$
    INSERT INTO note (text, mood) VALUES (p_text, 'busy') RETURNING * \$\$;"
    write_file functions/list_notes.sql "CREATE FUNCTION list_notes() RETURNS SETOF note LANGUAGE sql STABLE AS \$\$
    SELECT * FROM note ORDER BY id \$\$;"
    pack notes-2 "$work/bundle"

    # Trusted extensions, untrusted ones, one that is no longer allowed to newcomers, and one in a schema of its own.
    new_bundle
    write_file extensions/citext.sql ""
    write_file extensions/uuid-ossp.sql ""
    write_file extensions/hstore.sql "-- schema: things"
    write_file extensions/bloom.sql ""
    write_file extensions/moddatetime.sql ""
    write_file extensions/dict_xsyn.sql "-- schema: words"
    write_file extensions/dblink.sql ""
    write_file tables/thing.sql "CREATE TABLE thing (id uuid PRIMARY KEY DEFAULT uuid_generate_v5(uuid_ns_url(), 'thing'), name citext NOT NULL,
    more things.hstore, at timestamp NOT NULL DEFAULT '2024-01-01');
CREATE INDEX thing_bloom ON thing USING bloom ((length(name)));
CREATE TRIGGER thing_at BEFORE UPDATE ON thing FOR EACH ROW EXECUTE FUNCTION moddatetime(at);"
    write_file seeders/thing.sql "INSERT INTO thing (name) VALUES ('One');"
    write_file functions/find_thing.sql "CREATE FUNCTION find_thing(p_name citext) RETURNS SETOF thing LANGUAGE sql STABLE AS \$\$
    SELECT * FROM thing WHERE name = p_name \$\$;"
    pack extended "$work/bundle"

    # Rows that seeders made and people changed, statements beside them, and migrations with sums over their bytes as they were:
    # with line ends of another system, without a last one, with comments.
    new_bundle
    write_file tables/plan.sql "CREATE TABLE plan (plan_id serial PRIMARY KEY, name text NOT NULL UNIQUE, price int NOT NULL);"
    write_file tables/plan_note.sql "CREATE TABLE plan_note (plan_id int NOT NULL REFERENCES plan, note text NOT NULL);"
    write_file seeders/plan.sql "INSERT INTO plan (plan_id, name, price) VALUES (1, 'free', 0), (2, 'small', 5), (3, 'large', 50);
SELECT setval('plan_plan_id_seq', 3);"
    write_file seeders/plan_note.sql "DELETE FROM plan_note;
INSERT INTO plan_note VALUES (1, 'nothing to pay');"
    write_file functions/add_plan.sql "CREATE FUNCTION add_plan(p_name text) RETURNS int LANGUAGE sql AS \$\$
    INSERT INTO plan_note SELECT 2, 'of a customer: ' || p_name;
    INSERT INTO plan (name, price) VALUES (p_name, 7) RETURNING plan_id \$\$;"
    write_file functions/list_plans.sql "CREATE FUNCTION list_plans() RETURNS TABLE (plan_id int, name text, price int, notes bigint, last bigint)
    LANGUAGE sql STABLE AS \$\$ SELECT p.*, (SELECT count(*) FROM plan_note), (SELECT last_value FROM plan_plan_id_seq)
    FROM plan AS p ORDER BY 1 \$\$;"
    mkdir -p "$work/bundle/migrations"
    printf -- '-- The prices of last year.\r\nUPDATE plan\r\n   SET price = price + 1\r\n WHERE price > 100;\r\n' >"$work/bundle/migrations/001_prices.sql"
    printf 'UPDATE plan SET name = lower(name) /* as people write them */;' >"$work/bundle/migrations/002_names.sql"
    pack seeded "$work/bundle"
}

# --- PostgreSQL -------------------------------------------------------------------------------------------------------

in_psql() { "$bin_dir/psql" -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }

# Has a statement of the gateway's tell itself: the one that records how a database was left. Usage: keep_mark DATABASE
# BUNDLE FIELDS; a deployment that changes the database.
keep_mark() {
    in_psql -d "$1" -c "CREATE FUNCTION tell_mark() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \$\$ BEGIN
            EXECUTE format('COMMENT ON FUNCTION public.tell_mark() IS %L', current_query()); RETURN NULL; END \$\$" \
        -c "CREATE TRIGGER tell_mark AFTER INSERT OR UPDATE ON _stonescriptdb_gateway_state EXECUTE FUNCTION tell_mark()"
    upload /register "$2" "$3"
    in_psql -d "$1" -c "SELECT substring(obj_description('tell_mark'::regproc) FROM 'VALUES \(\\\$1, \\\$2, (.*)\)\s+ON CONFLICT')" \
        -c "DROP FUNCTION tell_mark CASCADE" 2>/dev/null >"$target/mark.sql"
    grep -q 'pg_class' "$target/mark.sql" || fail "how the gateway knows an untouched database was not found out"
}

# --- what is sent, and what comes back --------------------------------------------------------------------------------

: >"$target/steps.jsonl"
# Usage: keep JSON, with the answer in $answer; how long something took is no part of what has to come again.
keep() {
    printf '%s,"answer":%s}\n' "${1%\}}" "$(sed -E 's/,?"execution_time_ms":[0-9]+//' <<<"$answer")" >>"$target/steps.jsonl"
}
# Usage: upload PATH BUNDLE FIELDS; FIELDS is a flat JSON object of strings.
upload() {
    local path=$1 bundle=$2 fields=$3 name value form=()
    while IFS='=' read -r name value; do form+=(-F "$name=$value"); done \
        < <(sed -E 's/^\{|\}$//g; s/","/"\n"/g' <<<"$fields" | sed -E 's/^"([^"]*)":"([^"]*)"$/\1=\2/')
    answer=$(curl -fsS --noproxy '*' --max-time 120 "${form[@]}" -F "schema=@$target/bundles/$bundle.tar.gz" "$url$path") ||
        fail "$path of $bundle: $(tail -n 3 "$work/gateway.log")"
    keep "{\"path\":\"$path\",\"bundle\":\"$bundle\",\"fields\":$fields}"
}
# Usage: post PATH BODY
post() {
    answer=$(curl -fsS --noproxy '*' --max-time 120 -H 'Content-Type: application/json' -d "$2" "$url$1") ||
        fail "$1 $2: $(tail -n 3 "$work/gateway.log")"
    keep "{\"path\":\"$1\",\"body\":$2}"
}

# Registers platforms and calls functions. What is called last of a database has to answer the same after a takeover, so it
# reads only.
use_gateway() {
    upload /register todos '{"platform":"todos-app"}'
    upload /register todos '{"platform":"todos-app","tenant_id":"Org-1"}'
    upload /register todos '{"platform":"todos-app","tenant_id":"org2"}'
    post /call '{"platform":"todos-app","function":"ensure_user","params":["Ann@example.com","Ann"]}'
    post /call '{"platform":"todos-app","function":"add_todo","params":{"p_owner_id":1,"p_title":"Buy tea"}}'
    post /call '{"platform":"todos-app","tenant_id":"Org-1","function":"ensure_user","params":["bob@example.com","Bob"]}'
    post /call '{"platform":"todos-app","function":"list_users"}'
    post /call '{"platform":"todos-app","tenant_id":"Org-1","function":"list_users"}'
    post /call '{"platform":"todos-app","tenant_id":"org2","function":"todo_count"}'

    upload /register books '{"platform":"books"}'
    post /call '{"platform":"books","function":"hr.leave_left","params":[1,"holiday",2024]}'
    upload /register notes-1 '{"platform":"Notes"}'
    upload /register notes-1 '{"platform":"notes","tenant_id":"a-b"}'
    post /call '{"platform":"notes","function":"add_note","params":["first"]}'
    upload /migrate notes-2 '{"platform":"notes"}'
    post /call '{"platform":"notes","tenant_id":"a-b","function":"add_note","params":["second"]}'
    post /call '{"platform":"notes","function":"list_notes"}'
    post /call '{"platform":"notes","tenant_id":"a-b","function":"list_notes"}'
    post /call '{"platform":"notes","function":"who"}'

    upload /register extended '{"platform":"extended"}'
    upload /register extended '{"platform":"extended","tenant_id":"t1"}'
    post /call '{"platform":"extended","function":"find_thing","params":["ONE"]}'
    post /call '{"platform":"extended","tenant_id":"t1","function":"find_thing","params":["one"]}'

    upload /register seeded '{"platform":"seeded"}'
    upload /register seeded '{"platform":"seeded","tenant_id":"t1"}'
    post /call '{"platform":"seeded","tenant_id":"t1","function":"add_plan","params":["made to measure"]}'
    post /call '{"platform":"seeded","function":"list_plans"}'
    post /call '{"platform":"seeded","tenant_id":"t1","function":"list_plans"}'

    post /platform/register '{"platform":"stores"}'
    upload /platform/stores/schema stores-main '{"schema_name":"main_db"}'
    upload /platform/stores/schema stores-tenant '{"schema_name":"tenant_db"}'
    post /database/create '{"platform":"stores","schema_name":"main_db","database_id":"main"}'
    post /database/create '{"platform":"stores","schema_name":"tenant_db","database_id":"Store-001"}'
    post /database/create '{"platform":"stores","schema_name":"tenant_db","database_id":"store_002"}'
    post /call '{"platform":"stores","function":"open_store","params":{"p_store":"store_001","p_plan":"free"}}'
    post /call '{"platform":"stores","tenant_id":"Store-001","function":"add_product","params":["TEA-1","Green tea",4.20]}'
    post /call '{"platform":"stores","tenant_id":"Store-001","function":"list_products"}'
    post /call '{"platform":"stores","schema_name":"tenant_db","database_id":"store_002","function":"list_products"}'

    post /platform/register '{"platform":"named","db_user":"named role","db_password":"of the platform"}'
    upload /register notes-1 '{"platform":"named"}'
    keep_mark named_main notes-2 '{"platform":"named"}'
    upload /register notes-2 '{"platform":"named"}'
    post /call '{"platform":"named","function":"who"}'
    post /admin/create-tenant '{"platform":"named","tenant_id":"empty"}'
}

# --- packing ----------------------------------------------------------------------------------------------------------


pack_cluster() {
    local name closed
    closed=$(in_psql -c "SELECT quote_ident(datname) FROM pg_database WHERE NOT datallowconn AND datname <> 'template0'
        ORDER BY datname")
    while read -r name; do in_psql -c "ALTER DATABASE $name ALLOW_CONNECTIONS true"; done <<<"$closed"
    {
        "$bin_dir/pg_dumpall" --inserts --quote-all-identifiers
        while read -r name; do say "ALTER DATABASE $name ALLOW_CONNECTIONS false;"; done <<<"$closed"
    } | gzip -9n >"$target/cluster.sql.gz"
    while read -r name; do in_psql -c "ALTER DATABASE $name ALLOW_CONNECTIONS false"; done <<<"$closed"
}

pack_data_dir() {
    tar -C "$work/data" --sort=name --owner=0 --group=0 --mtime=2000-01-01 --exclude=./postgres --exclude='./postgres.log*' \
        --exclude=./.gateway.lock -cf - . | gzip -9n >"$target/data.tar.gz"
}

make_bundles
# From the time before the platform had a role.
start_gateway off
upload /register notes-2 '{"platform":"early"}'
post /call '{"platform":"early","function":"add_note","params":["early"]}'
post /call '{"platform":"early","function":"list_notes"}'
stop_gateway
start_gateway auto
use_gateway
pack_cluster
stop_gateway
pack_data_dir
say "$(du -sh "$target" | cut -f 1) in $target: $(wc -l <"$target/steps.jsonl") steps"
