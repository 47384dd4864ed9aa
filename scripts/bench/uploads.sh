# shellcheck shell=bash
# shellcheck disable=SC2154 # bench.sh sources this file and has set what it uses.
# What uploads take of the gateway's memory: archives that are small and become much, each kind sent many times at once.
# Printed is the highest resident size while they were read, less that at rest, beside UPLOAD_MEMORY_BYTES. To be sourced by
# scripts/bench.sh; bench_uploads is the way in, print_uploads its table.

: "${work:?}" "${url:?}"

uploads_at_once=32
uploads_budget_mib=512

# Usage: repeat COUNT TEXT; the text that often, on one line each if it ends so.
repeat() { awk -v count="$1" -v text="$2" 'BEGIN { for (i = 0; i < count; i++) printf text }'; }
# The same with @ for the number of each.
numbered() { awk -v count="$1" -v text="$2" 'BEGIN { for (i = 0; i < count; i++) { line = text; gsub(/@/, sprintf("%x", i), line); printf line } }'; }

# The SQL of a kind, in the folder of the bundle that is named first. Usage: write_upload KIND FOLDER
write_upload() {
    local kind=$1 folder=$2/postgresql
    mkdir -p "$folder"/{tables,functions,migrations,seeders}
    case $kind in
    statements) repeat 1000000 'SELECT 1;\n' >"$folder/seeders/a.sql" ;;
    statements_within) repeat 150000 'SELECT 1;\n' >"$folder/seeders/a.sql" ;;
    semicolons) repeat 10000000 ';' >"$folder/seeders/a.sql" ;;
    drops) repeat 190000 'DROP TABLE IF EXISTS a;\n' >"$folder/migrations/a.sql" ;;
    one_insert) { printf 'INSERT INTO a VALUES (1)' && repeat 100000 ',(1)'; } >"$folder/seeders/a.sql" ;;
    huge_insert) { printf 'INSERT INTO a VALUES (1)' && repeat 5000000 ',(1)'; } >"$folder/seeders/a.sql" ;;
    expressions) { printf 'SELECT -a' && repeat 20000 ',-a+a'; } >"$folder/migrations/a.sql" ;;
    subselects) { printf 'SELECT (TABLE a)' && repeat 20000 ',(TABLE a)'; } >"$folder/migrations/a.sql" ;;
    arguments) { printf 'DROP FUNCTION a(a' && repeat 30000 ',a' && printf ')'; } >"$folder/migrations/a.sql" ;;
    parentheses) { repeat 1000000 'SELECT ((((' && printf '1'; } >"$folder/migrations/a.sql" ;;
    chain) { printf 'SELECT 1' && repeat 1000000 '||1'; } >"$folder/migrations/a.sql" ;;
    columns) { printf 'CREATE TABLE a (a int' && numbered 20000 ',a@ int'; printf ')'; } >"$folder/tables/a.sql" ;;
    tables) numbered 20000 'CREATE TABLE a@ (a int PRIMARY KEY, b int REFERENCES a1 (a));\n' >"$folder/tables/a.sql" ;;
    circle) {
        numbered 5000 'CREATE TABLE a@ (a int PRIMARY KEY REFERENCES b (a));\n'
        printf 'CREATE TABLE b (a int PRIMARY KEY' && numbered 5000 ' REFERENCES a@ (a)' && printf ')'
    } >"$folder/tables/a.sql" ;;
    same_names) repeat 100000 'CREATE TABLE a ();CREATE INDEX ON a (a);\n' >"$folder/tables/a.sql" ;;
    functions) numbered 30000 'CREATE FUNCTION a@() RETURNS int LANGUAGE sql AS $$ SELECT b@() $$;\n' >"$folder/functions/a.sql" ;;
    body) {
        printf 'CREATE FUNCTION a() RETURNS int LANGUAGE plpgsql AS $$ BEGIN ' && numbered 300000 'PERFORM a@();' && printf 'END $$'
    } >"$folder/functions/a.sql" ;;
    comments) repeat 8000000 '/**/\n' >"$folder/seeders/a.sql" ;;
    unterminated) { printf "SELECT '" && repeat 30000000 'a'; } >"$folder/seeders/a.sql" ;;
    zeros) head -c 250000000 /dev/zero >"$folder/zeros" ;;
    *) fail "no kind of upload $kind" ;;
    esac
}

# A tar of so many empty files, which no tar writes as fast. Usage: write_entries COUNT >TAR
write_entries() {
    local folder=$work/entries
    mkdir -p "$folder/postgresql/tables"
    (cd "$folder/postgresql/tables" && seq -f '%.0f.sql' "$1" | xargs touch)
    tar -cf - -C "$folder" postgresql
}

upload_kinds=(statements statements_within semicolons drops one_insert huge_insert expressions subselects arguments
    parentheses chain columns tables circle same_names functions body comments unterminated zeros entries bundle)

bench_uploads() {
    local kind
    want_command awk mawk
    [[ -r /proc/$gateway/status ]] || fail "the gateway's memory cannot be read here"
    rest_mib=$(resident_mib VmRSS)
    for kind in ${BENCH_UPLOADS:-"${upload_kinds[@]}"}; do
        pack_upload "$kind"
        upload_all "$kind"
    done
}

# Usage: pack_upload KIND; $work/upload.tar.gz
pack_upload() {
    rm -rf "$work/upload" "$work/entries"
    case $1 in
    entries) write_entries 200000 | gzip -1 >"$work/upload.tar.gz" ;;
    bundle)
        # shellcheck source=scripts/bench/bundle.sh
        source "$root/scripts/bench/bundle.sh"
        write_bundle "$work/upload/postgresql" "$work/upload.sql"
        tar -czf "$work/upload.tar.gz" -C "$work/upload" postgresql
        ;;
    *)
        write_upload "$1" "$work/upload"
        tar -czf "$work/upload.tar.gz" -C "$work/upload" postgresql
        ;;
    esac
}

# Usage: resident_mib VmRSS|VmHWM
resident_mib() { awk -v name="$1:" '$1 == name { print int($2 / 1024) }' "/proc/$gateway/status"; }

# Sends the archive as many platforms at once and writes a row. Usage: upload_all KIND
upload_all() {
    local kind=$1 number senders=() from=$SECONDS
    # Sets the highest resident size to the present one.
    printf 5 >"/proc/$gateway/clear_refs"
    for ((number = 0; number < uploads_at_once; number++)); do
        curl -sS --noproxy '*' --max-time 300 -o "$work/answer.$number" -w '%{http_code}\n' -F "platform=${kind}_$number" \
            -F "schema=@$work/upload.tar.gz" "$url/register" >"$work/status.$number" &
        senders+=($!)
    done
    # Whoever calls meanwhile is served: the longest that /health took, in milliseconds.
    local slowest
    slowest=$(watch_health "${senders[@]}")
    wait "${senders[@]}" || true
    kill -0 "$gateway" 2>/dev/null || fail "the gateway is gone after $kind; its log: $(tail -n 3 "$work/gateway.log")"
    printf '| %s | %s | %s | %s | %s | %s |\n' "$kind" "$(stat -c %s "$work/upload.tar.gz")" \
        "$(($(resident_mib VmHWM) - rest_mib)) MiB" "$slowest ms" "$((SECONDS - from)) s" \
        "$(cat "$work"/status.* | sort | uniq -c | awk '{ printf "%s%s × %s", sep, $1, $2; sep = ", " }')" \
        >>"$work/uploads"
    rm -f "$work"/status.* "$work"/answer.*
}

# Asks until all PIDs are gone. Usage: watch_health PID…
watch_health() {
    local slowest=0 took pid busy=1
    while ((busy)); do
        took=$(curl -sS --noproxy '*' --max-time 60 -o /dev/null -w '%{time_total}' "$url/health" || say 60)
        took=$(awk -v seconds="$took" 'BEGIN { print int(seconds * 1000) }')
        ((took > slowest)) && slowest=$took
        sleep 0.2
        busy=0
        for pid in "$@"; do ! kill -0 "$pid" 2>/dev/null || busy=1; done
    done
    say "$slowest"
}

print_uploads() {
    [[ -s $work/uploads ]] || return 0
    say ""
    say "$uploads_at_once at once of each; at rest $rest_mib MiB; UPLOAD_MEMORY_BYTES is $uploads_budget_mib MiB."
    say ""
    say "| archive | its bytes | memory over rest, at most | slowest /health | time | answers |"
    say "| --- | --- | --- | --- | --- | --- |"
    cat "$work/uploads"
}
