# shellcheck shell=bash
# The first POST /register of a bundle with migrations beside psql with the same text: 300 tables, and a hundred
# migrations that each make a trigger on a function of the bundle, so that the gateway changes from migrations to
# declared things and back a hundred times. To be sourced by scripts/bench.sh; bench_history is the way in.

: "${root:?}" "${work:?}" "${pairs:?}"

history_tables=300
history_triggers=100

bench_history() {
    open_session
    first_of_history plain "functions alone"
    first_of_history commented "functions with comments" COMMENT
    close_session
}

# Usage: first_of_history SERIES WHAT [COMMENT]
first_of_history() {
    local series=$1 what=$2 comment=${3:-} turn
    local folder=$work/history_$series script=$work/history_$series.sql archive=$work/history_$series.tar.gz
    for ((turn = 0; turn <= pairs; turn++)); do
        write_history "$folder/postgresql" "$script" "$turn" "$comment"
        tar -czf "$archive" -C "$folder" postgresql
        register "history-$series-$turn" '' "$archive" "\"migrations_applied\":$history_triggers" \
            "\"tables_created\":$history_tables"
        record "history.$series.gateway"
        clock psql_of_history "history_${series}_$turn" "$script"
        record "history.$series.psql"
    done
    settle
    compare "first \`/register\`: $history_tables tables, $history_triggers migrations with a trigger each, $what" \
        "history.$series.gateway" "\`createdb\` and \`psql -1 -f\`, the same text" "history.$series.psql" 2.0
}

# Usage: psql_of_history DATABASE SCRIPT
psql_of_history() {
    run_psql -c "CREATE DATABASE $1"
    run_psql -d "$1" -1 -f "$2"
}

# The bundle's files under FOLDER, and all of them in the order of psql in SCRIPT. REVISION makes it one that the gateway
# has never seen. Usage: write_history FOLDER SCRIPT REVISION [COMMENT]
write_history() {
    local folder=$1 script=$2 revision=$3 comment=${4:-} at
    rm -rf "$folder"
    mkdir -p "$folder"/{tables,functions,migrations}
    for ((at = 1; at <= history_tables; at++)); do
        say "CREATE TABLE part_$at (id bigint PRIMARY KEY, name text NOT NULL DEFAULT 'revision $revision'," \
            "above bigint REFERENCES part_$at (id));" >"$folder/tables/$(printf 'part_%03d' "$at").pssql"
    done
    for ((at = 1; at <= history_triggers; at++)); do
        {
            say "CREATE FUNCTION on_part_$at() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
            [[ -z $comment ]] || say "COMMENT ON FUNCTION on_part_$at() IS 'What happens to part $at';"
        } >"$folder/functions/$(printf 'on_part_%03d' "$at").pssql"
        say "CREATE TRIGGER part_${at}_changed BEFORE UPDATE ON part_$at FOR EACH ROW EXECUTE FUNCTION on_part_$at();" \
            >"$folder/migrations/$(printf '%03d_trigger' "$at").pssql"
    done
    cat "$folder"/tables/* "$folder"/functions/* "$folder"/migrations/* >"$script"
}
