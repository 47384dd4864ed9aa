# shellcheck shell=bash
# The first POST /register of a bundle with migrations beside psql with the same text: 300 tables, and a hundred
# migrations that each need something of the bundle's other files, so that the gateway changes from migrations to
# declared things and back a hundred times. To be sourced by scripts/bench.sh; bench_history is the way in.

: "${root:?}" "${work:?}" "${pairs:?}"

history_tables=300
history_migrations=100

bench_history() {
    open_session
    first_of_history functions "a trigger on a function each"
    first_of_history comments "a trigger on a function with a comment each"
    first_of_history views "a view's rows copied by each"
    first_of_history parts "a sequence, a trigger and a policy altered or used by each"
    close_session
}

# Usage: first_of_history SHAPE WHAT
first_of_history() {
    local shape=$1 what=$2 turn
    local folder=$work/history_$shape script=$work/history_$shape.sql archive=$work/history_$shape.tar.gz
    for ((turn = 0; turn <= pairs; turn++)); do
        write_history "$folder/postgresql" "$script" "$turn" "$shape"
        tar -czf "$archive" -C "$folder" postgresql
        register "history-$shape-$turn" '' "$archive" "\"migrations_applied\":$history_migrations" \
            "\"tables_created\":$history_tables"
        record "history.$shape.gateway"
        clock psql_of_history "history_${shape}_$turn" "$script"
        record "history.$shape.psql"
    done
    settle
    compare "first \`/register\`: $history_tables tables, $history_migrations migrations, $what" \
        "history.$shape.gateway" "\`createdb\` and \`psql -1 -f\`, the same text" "history.$shape.psql" 2.0
}

# Usage: psql_of_history DATABASE SCRIPT
psql_of_history() {
    run_psql -c "CREATE DATABASE $1"
    run_psql -d "$1" -1 -f "$2"
}

# The bundle's files under FOLDER, and all of them in the order of psql in SCRIPT. REVISION makes it one that the gateway
# has never seen. Usage: write_history FOLDER SCRIPT REVISION SHAPE
write_history() {
    local folder=$1 script=$2 revision=$3 shape=$4 at
    rm -rf "$folder"
    mkdir -p "$folder"/{tables,views,functions,migrations}
    for ((at = 1; at <= history_tables; at++)); do
        say "CREATE TABLE part_$at (id bigint PRIMARY KEY, name text NOT NULL DEFAULT 'revision $revision'," \
            "above bigint REFERENCES part_$at (id));" >"$folder/tables/$(printf 'part_%03d' "$at").pssql"
    done
    for ((at = 1; at <= history_migrations; at++)); do
        "write_$shape" "$folder" "$at" "$(printf '%03d' "$at")"
    done
    # No shape has something in each folder.
    (shopt -s nullglob && cat "$folder"/tables/* "$folder"/views/* "$folder"/functions/* "$folder"/migrations/*) >"$script"
}

# One migration, number AT (PADDED with zeroes), and what it needs. Usage: write_SHAPE FOLDER AT PADDED
write_functions() {
    say "CREATE FUNCTION on_part_$2() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';" \
        >"$1/functions/on_part_$3.pssql"
    say "CREATE TRIGGER part_$2_changed BEFORE UPDATE ON part_$2 FOR EACH ROW EXECUTE FUNCTION on_part_$2();" \
        >"$1/migrations/$3_trigger.pssql"
}
write_comments() {
    write_functions "$@"
    say "COMMENT ON FUNCTION on_part_$2() IS 'What happens to part $2';" >>"$1/functions/on_part_$3.pssql"
}
write_views() {
    say "CREATE VIEW seen_$2 AS SELECT id, name FROM part_$2;" >"$1/views/seen_$3.pssql"
    say "CREATE TABLE kept_$2 AS SELECT * FROM seen_$2;" >"$1/migrations/$3_keep.pssql"
}
write_parts() {
    {
        say "CREATE SEQUENCE numbers_$2;"
        say "CREATE FUNCTION on_part_$2() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        say "CREATE TRIGGER part_$2_changed BEFORE UPDATE ON part_$2 FOR EACH ROW EXECUTE FUNCTION on_part_$2();"
        say "CREATE POLICY part_$2_seen ON part_$2 FOR SELECT USING (id > 0);"
    } >"$1/functions/part_$3.pssql"
    {
        say "CREATE TABLE numbered_$2 (n bigint DEFAULT nextval('numbers_$2'));"
        say "ALTER TABLE part_$2 DISABLE TRIGGER part_$2_changed;"
        say "ALTER POLICY part_$2_seen ON part_$2 TO PUBLIC;"
    } >"$1/migrations/$3_parts.pssql"
}
