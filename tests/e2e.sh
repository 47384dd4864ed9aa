#!/usr/bin/env bash
# From outside: what a platform's container, a person with curl and a PHP tool get from a running gateway.
# Usage: GATEWAY_URL=http://127.0.0.1:9000 [ADMIN_TOKEN=…] [CONFLICT_STATUS=409] ./tests/e2e.sh
# Needs curl and tar; the PHP client is left out where there is no php. Every run has platforms of its own, so it can be
# repeated on one gateway, where it leaves a few small databases whose names begin with e2e.
# The last line is "N passed, N failed"; the exit status is 0 only if nothing failed.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
url=${GATEWAY_URL:-}
url=${url%/}
if [[ -z $url ]]; then
    echo "e2e.sh: set GATEWAY_URL to a running gateway, for example http://127.0.0.1:9000" >&2
    exit 1
fi
conflict=${CONFLICT_STATUS:-400}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Sent by every curl, those of the README too: with ADMIN_SCOPE=deploy nearly everything wants it.
[[ -z ${ADMIN_TOKEN:-} ]] || printf 'header = "Authorization: Bearer %s"\n' "$ADMIN_TOKEN" >"$work/.curlrc"
export CURL_HOME=$work

# --- asking and checking ----------------------------------------------------------------------------------------------

passed=0
failed=0
status=
body=

# Usage: request PATH [CURL-ARGUMENTS]; fills $status and $body.
request() {
    local path=$1
    shift
    status=$(curl -sS --max-time 120 -o "$work/body" -w '%{http_code}' "$@" "$url$path" 2>"$work/curl")
    body=$(cat "$work/body" "$work/curl" 2>/dev/null)
    : >"$work/body"
}

# Usage: call FUNCTION PARAMS [FURTHER-FIELDS], all as JSON, on the platform under test.
call() {
    request /call -H 'Content-Type: application/json' \
        --data-binary "{\"platform\":\"$platform\",\"function\":\"$1\",\"params\":$2${3:+,$3}}"
}

# Usage: register ARCHIVE [FORM-FIELD]…, on the platform under test.
register() {
    local archive=$1 fields=() field
    shift
    for field in "$@"; do fields+=(-F "$field"); done
    request /register -F "platform=$platform" "${fields[@]}" -F "schema=@$archive"
}

# JSON with and without blanks after ':' and ',' is the same.
compact() {
    local text=${1//\": /\":}
    printf '%s' "${text//, /,}"
}

# Usage: expect WHAT STATUS FRAGMENT…; each fragment has to be in the body, one that begins with ! must not.
expect() {
    local what=$1 wanted_status=$2 fragment compacted wrong=()
    shift 2
    compacted=$(compact "$body")
    [[ $status == "$wanted_status" ]] || wrong+=("status $wanted_status")
    for fragment in "$@"; do
        if [[ $fragment == '!'* ]]; then
            [[ $compacted != *"$(compact "${fragment#!}")"* ]] || wrong+=("no ${fragment#!}")
        else
            [[ $compacted == *"$(compact "$fragment")"* ]] || wrong+=("$fragment")
        fi
    done
    report "$what" "$status ${body:0:2000}" "${wrong[@]}"
}

# Usage: report WHAT CAME WRONG…; nothing wrong is a pass.
report() {
    local what=$1 came=$2
    shift 2
    if (($# == 0)); then
        passed=$((passed + 1))
        printf 'ok    %s\n' "$what"
        return
    fi
    failed=$((failed + 1))
    printf 'FAIL  %s\n' "$what"
    printf '        expected %s\n' "$@"
    printf '        came     %s\n' "$came"
}

section() { printf '\n%s\n' "$1"; }

# --- what is sent -----------------------------------------------------------------------------------------------------

platform=e2e_$(date +%s)_$$
todos=$work/todos.tar.gz
tar -czf "$todos" -C "$root/examples/todos" postgresql
functions=$(grep -rcihE '^CREATE OR REPLACE FUNCTION' "$root/examples/todos/postgresql/functions" | paste -sd+ | tr -d '\n')
functions=$((functions))

# Usage: bundle NAME FILE TEXT [FILE TEXT]…; makes $work/NAME.tar.gz with these files and no top folder.
bundle() {
    local name=$1 folder=$work/$1
    shift
    while (($#)); do
        mkdir -p "$folder/$(dirname "$1")"
        printf '%s\n' "$2" >"$folder/$1"
        shift 2
    done
    tar -czf "$work/$name.tar.gz" -C "$folder" .
}

# --- the checks -------------------------------------------------------------------------------------------------------

echo "End to end: $url, platform $platform"

section "Health"
request /health
if [[ $status == 000 ]]; then
    echo "e2e.sh: no gateway answers at $url: $body" >&2
    exit 1
fi
expect "GET /health tells that all is well" 200 '"status":"healthy"' '"postgres_connected":true' '"version":"' \
    '"active_pools":' '"total_connections":' '"uptime_seconds":'

section "A new database"
register "$todos"
expect "the example is registered" 200 '"status":"ready"' "\"database\":\"${platform}_main\"" \
    '"migrations_applied":2' '"extensions_installed":1' '"types_deployed":2' '"tables_created":4' \
    "\"functions_deployed\":$functions" '"functions_unchanged":0' '"inserted":4' '"warnings":[]' '"execution_time_ms":'
expect "what the declaration already has is left out of the migrations" 200 '"migrations_skipped_statements":[{' \
    '"migration":"001_todos_get_a_priority.pssql"' '"migration":"002_done_todos_remember_when.pssql"' '"reason":"'
register "$todos"
expect "sent again, nothing is deployed" 200 '"status":"ready"' '"migrations_applied":0' '"extensions_installed":0' \
    '"types_deployed":0' '"tables_created":0' '"functions_deployed":0' "\"functions_unchanged\":$functions"

section "Calls"
call ensure_user '["ada@example.com","Ada"]'
expect "a row: columns in their order, under their names" 200 \
    '{"rows":[{"user_id":1,"email":"ada@example.com","display_name":"Ada","created_at":"20' '"row_count":1' \
    '"execution_time_ms":'
call ensure_user '["ADA@example.com","Ada L."]'
expect "the extension's type compares without capitals" 200 '"user_id":1,"email":"ada@example.com","display_name":"Ada L."'
call add_todo '[1,"Milk & \"Öl\" \\ ☃"]'
expect "parameters by position, defaults for the rest" 200 \
    '"todo_id":1,"owner_id":1,"owner_name":"Ada L.","title":"Milk & \"Öl\" \\ ☃","notes":null,"status":"open","priority":3,"due_on":null' \
    '"completed_at":null,"tags":[]' '"row_count":1'
call add_todo '{"p_title":"Pay the rent","p_owner_id":1,"p_priority":"1","p_due_on":"2001-02-03","p_tags":["home","Money"]}'
expect "parameters by name; date, smallint and text[] from strings and arrays" 200 \
    '"title":"Pay the rent","notes":null,"status":"open","priority":1,"due_on":"2001-02-03"' '"tags":["home","Money"]'
call tag_todo '[1,"errand","HOME"]'
expect "the trailing values of a VARIADIC function" 200 '"tags":["errand","home"]'
call import_todos '[1,[{"title":"One","due_on":"2031-05-01"},{"title":"Two","priority":5}]]'
expect "a JSON parameter; a scalar answers under the function's name" 200 '{"rows":[{"import_todos":2}],"row_count":1'
call import_todos '[1,"[{\"title\":\"Three\"}]"]'
expect "a JSON parameter as a string of JSON" 200 '{"rows":[{"import_todos":1}]'
call todo_count '[]'
expect "an overload by the number of parameters: none" 200 '{"rows":[{"todo_count":5}]'
call todo_count '[999]'
expect "an overload by the number of parameters: one" 200 '{"rows":[{"todo_count":0}]'
request /call -H 'Content-Type: application/json' -d "{\"platform\":\"$platform\",\"tenant_id\":null,\"function\":\"todo_count\"}"
expect "no params at all; tenant_id null is the main database" 200 '{"rows":[{"todo_count":5}]'
call list_todos '{"p_owner_id":1,"p_tag":"Home"}'
expect "several rows in the function's order" 200 '"row_count":2' '"rows":[{"todo_id":2,' '},{"todo_id":1,'
call list_todos '[999]'
expect "no rows" 200 '"rows":[]' '"row_count":0'
call set_todo_status '[1,"done"]'
expect "an enum from a string; a time in UTC" 200 '"status":"done"' '"completed_at":"20' '!"completed_at":null'
call user_dashboard '[1]'
expect "jsonb is embedded" 200 '"rows":[{"user_dashboard":{' '"user":{"name":"Ada L.","user_id":1}' '"overdue":1' \
    '"by_status":{"done":1,"open":4}'
call search_todos '[1,"rent -milk"]'
expect "a function with a set of columns of its own" 200 '{"rows":[{"todo_id":2,"title":"Pay the rent","status":"open"}],"row_count":1'
call add_todo "[1,\"'); DROP TABLE todos; --\"]"
expect "SQL in a value is a value" 200 "\"title\":\"'); DROP TABLE todos; --\""
call delete_todo '[6]'
expect "a boolean" 200 '{"rows":[{"delete_todo":true}]'
call public.todo_count '[1]'
expect "a function named with its schema" 200 '{"rows":[{"todo_count":5}]'

section "Calls that fail"
call get_todo '[999]'
expect "the function picks its status (PT404)" 404 '"error":"query_failed"' '"sqlstate":"PT404"' 'there is no todo 999' \
    '"hint":"list_todos shows the ones there are"'
call set_todo_status '[2,"cancelled"]'
call set_todo_status '[2,"open"]'
expect "the function picks its status (PT409)" 409 '"error":"query_failed"' '"sqlstate":"PT409"'
call import_todos '[1,{}]'
expect "RAISE EXCEPTION" 400 '"error":"query_failed"' '"sqlstate":"P0001"' 'has to be an array of objects' '"hint":"'
call add_user '["ada@example.com","Another"]'
expect "a unique constraint" 409 '"error":"query_failed"' '"sqlstate":"23505"' 'users_email_key' '"detail":"'
call add_todo '[999,"For nobody"]'
expect "a foreign key" 409 '"error":"query_failed"' '"sqlstate":"23503"'
call add_todo '[1,"Too urgent",null,9]'
expect "a check" 409 '"error":"query_failed"' '"sqlstate":"23514"' 'todos_priority_range'
call get_todo '["one"]'
expect "a value that does not convert" 400 '"error":"invalid_request"' '"message":"'
call set_todo_status '[1,"finished"]'
expect "no such enum value" 400 '"error":"invalid_request"'
call get_todo '[]'
expect "too few parameters" 400 '"error":"invalid_request"'
call get_todo '[1,2]'
expect "too many parameters" 400 '"error":"invalid_request"'
call get_todo '{"p_id":1}'
expect "no parameter of this name" 400 '"error":"invalid_request"'
call no_such_function '[]'
expect "no such function" 404 '"error":"function_not_found"'
call pg_sleep '[0]'
expect "PostgreSQL's own functions are not callable" 404 '"error":"function_not_found"'
call pg_catalog.pg_read_file '["/etc/passwd"]'
expect "nor with their schema" 404 '"error":"function_not_found"' '!root:'
call citext_hash '["a"]'
expect "nor those of an extension" 404 '"error":"function_not_found"'
call 'todo_count(); DROP TABLE todos' '[]'
expect "no function's name" 400 '"error":"invalid_request"'
call todo_count '"one"'
expect "params that are no list and no object" 400 '"error":"invalid_request"'
call todo_count '[]' '"tenant_id":"nobody"'
expect "no such tenant" 404 '"error":"database_not_found"'
request /call -H 'Content-Type: application/json' -d '{"platform":"e2e_no_such_platform","function":"f"}'
expect "no such platform" 404 '"error":"database_not_found"'
request /call -H 'Content-Type: application/json' -d "{\"platform\":\"$platform\"}"
expect "no function field" 400 '"error":"invalid_request"' 'function'
request /call -H 'Content-Type: application/json' -d '{"platform":'
expect "not JSON" 400 '"error":"invalid_request"'
request /call -H 'Content-Type: application/json' -d '["platform"]'
expect "JSON that is no object" 400 '"error":"invalid_request"'
request /call -d '{"platform":"x","function":"f"}'
expect "a form where JSON is due" 415 '"error":"unsupported_media_type"'
call todo_count '[]'
expect "and after all that, calls work" 200 '{"rows":[{"todo_count":5}]'

section "A second tenant"
tar -czf "$work/bare.tar.gz" -C "$root/examples/todos/postgresql" .
register "$work/bare.tar.gz" tenant_id=org-1
expect "a tenant, from an archive without a top folder" 200 "\"database\":\"${platform}_org_1\"" \
    "\"functions_deployed\":$functions" '"tables_created":4' '"inserted":4'
call todo_count '[]' '"tenant_id":"org-1"'
expect "its data are its own" 200 '{"rows":[{"todo_count":0}]'
call ensure_user '["eve@example.com","Eve"]' '"tenant_id":"org-1"'
expect "its ids begin at the beginning" 200 '"user_id":1,"email":"eve@example.com"'
register "$todos" tenant_id=
expect "an empty tenant_id is the main database" 200 "\"database\":\"${platform}_main\"" '"functions_deployed":0'
register "$todos" tenant_id=Org_1
expect "another spelling of a tenant is refused" 400 '"error":"invalid_request"'
mine=$platform
platform=${mine}_org
call todo_count '[]' '"tenant_id":"1"'
expect "another platform's database, by a name that reads the same: call" 403 '"error":"platform_isolation_violation"'
register "$todos" tenant_id=1
expect "another platform's database, by a name that reads the same: register" 403 '"error":"platform_isolation_violation"'
platform=$mine

section "Eight clients register one new database at once"
for n in 1 2 3 4 5 6 7 8; do
    curl -sS --max-time 120 -o "$work/many.$n" -w '%{http_code}' -F "platform=$platform" -F tenant_id=many \
        -F "schema=@$todos" "$url/register" >"$work/status.$n" 2>&1 &
done
wait
statuses=$(cat "$work"/status.?)
status=200 body=$(cat "$work"/many.?)
wrong=()
[[ $statuses == 200200200200200200200200 ]] || wrong+=("eight times 200")
[[ $(grep -o "\"database\":\"${platform}_many\"" <<<"$body" | wc -l) == 8 ]] || wrong+=("eight times ${platform}_many")
[[ $(grep -o "\"functions_deployed\":$functions\b" <<<"$body" | wc -l) == 1 ]] || wrong+=("one that deploys")
report "all are answered 200, one deploys" "$statuses ${body:0:2000}" "${wrong[@]}"

section "Bundles that are refused"
mine=$platform
platform=${mine}_bad
request /register -F "platform=$platform"
expect "no schema" 400 '"error":"invalid_request"' 'schema'
request /register -F "schema=@$todos"
expect "no platform" 400 '"error":"invalid_request"' 'platform'
request /register -F "platform=my app" -F "schema=@$todos"
expect "a platform's name with a blank" 400 '"error":"invalid_request"' 'platform'
request /register -H 'Content-Type: application/json' -d '{}'
expect "JSON where a form is due" 415 '"error":"unsupported_media_type"'
echo "this is no archive" >"$work/text"
register "$work/text"
expect "not gzip" 400 '"error":"schema_extraction_failed"'
gzip -c "$work/text" >"$work/text.gz"
register "$work/text.gz"
expect "gzip, but not tar" 400 '"error":"schema_extraction_failed"'
head -c 2000 "$todos" >"$work/cut.tar.gz"
register "$work/cut.tar.gz"
expect "an archive cut off" 400 '"error":"schema_extraction_failed"'
bundle unknown notes/readme.txt hello
register "$work/unknown.tar.gz"
expect "nothing that a bundle has" 400 '"error":"schema_extraction_failed"'
tar -czf "$work/escape.tar.gz" -P --transform 's,^text$,../tables/text.sql,' -C "$work" text
register "$work/escape.tar.gz"
expect "a path out of the archive" 400 '"error":"schema_extraction_failed"' '../tables/text.sql'
mkdir -p "$work/link/tables"
ln -s /etc/passwd "$work/link/tables/passwd.sql"
tar -czf "$work/link.tar.gz" -C "$work/link" tables
register "$work/link.tar.gz"
expect "a link" 400 '"error":"schema_extraction_failed"' 'tables/passwd.sql'
bundle extension extensions/no_such_extension.sql '-- version: 1.0' tables/a.sql 'CREATE TABLE a (id int);'
register "$work/extension.tar.gz"
expect "an extension that the server does not have" 400 '"error":"extension_not_available"' 'no_such_extension'
bundle syntax tables/good.sql 'CREATE TABLE good (id int);' tables/bad.sql $'CREATE TABLE bad (\n    id int,,\n);'
register "$work/syntax.tar.gz"
expect "an error of syntax: file and line" 409 '"file":"tables/bad.sql"' '"line":2' 'syntax error'
bundle type tables/bad.sql $'-- a comment\nCREATE TABLE bad (\n    id no_such_type\n);'
register "$work/type.tar.gz"
expect "an error that only the database knows" 409 '"error":"migration_failed"' '"file":"tables/bad.sql"' '"line":3' \
    '"sqlstate":"42704"' 'no_such_type'
bundle seeder tables/a.sql 'CREATE TABLE a (id int PRIMARY KEY);' seeders/a.sql $'INSERT INTO a VALUES (1);\nINSERT INTO a VALUES (1);'
register "$work/seeder.tar.gz"
expect "a seeder that fails" 409 '"file":"seeders/a.sql"' '"line":2' '"sqlstate":"23505"'
request "/admin/databases?platform=$platform"
expect "none of them left a database" 200 '"databases":[]' '"count":0'
platform=$mine

section "Administration"
request "/admin/databases?platform=$platform"
expect "a platform's databases" 200 "\"platform\":\"$platform\"" "{\"name\":\"${platform}_main\",\"type\":\"main\",\"size_mb\":" \
    "{\"name\":\"${platform}_org_1\",\"type\":\"tenant\"" '"count":3'
request /admin/databases
expect "whose databases?" 400 '"error":"invalid_request"' 'platform'
request /admin/create-tenant -H 'Content-Type: application/json' -d "{\"platform\":\"$platform\",\"tenant_id\":\"Empty-1\"}"
expect "an empty database for a tenant" 201 '"status":"created"' "\"database\":\"${platform}_empty_1\"" '"message":"'
request /admin/create-tenant -H 'Content-Type: application/json' -d "{\"platform\":\"$platform\",\"tenant_id\":\"Empty-1\"}"
expect "which exists by now" "$conflict" '"error":"database_already_exists"' "\"database\":\"${platform}_empty_1\""
request /admin/create-tenant -H 'Content-Type: application/json' -d "{\"platform\":\"$platform\"}"
expect "no tenant_id" 400 '"error":"invalid_request"' 'tenant_id'
call todo_count '[]' '"tenant_id":"Empty-1"'
expect "there is nothing to call in it" 404 '"error":"function_not_found"'
register "$todos" tenant_id=Empty-1
expect "until it is registered" 200 "\"database\":\"${platform}_empty_1\"" "\"functions_deployed\":$functions" '"inserted":4'
call todo_count '[]' '"tenant_id":"Empty-1"'
expect "then calls work" 200 '{"rows":[{"todo_count":0}]'

section "A release for every tenant"
# Usage: migrate ARCHIVE [CURL-ARGUMENT]…, all databases of the platform under test.
migrate() {
    local archive=$1
    shift
    request /migrate -F "platform=$platform" -F "schema=@$archive" "$@"
}
mkdir -p "$work/next"
cp -r "$root/examples/todos/postgresql" "$work/next/"
printf 'ALTER TABLE users ADD COLUMN IF NOT EXISTS nickname text;\n' >"$work/next/postgresql/migrations/003_nicknames.pssql"
sed -i 's/^\( *\)email /\1nickname text,\n\1email /' "$work/next/postgresql/tables/users.pssql"
tar -czf "$work/next.tar.gz" -C "$work/next" postgresql
migrate "$todos"
expect "nothing to do" 200 '"status":"completed"' "\"${platform}_main\"" '"status":"unchanged"' '"migrations_applied":0' \
    '"verification":{"passed":true'
migrate "$work/next.tar.gz" -F dry_run=true
expect "a dry run tells what would run" 200 '"status":"planned"' '"statements":[' 'nickname' '"databases_updated":[]' \
    '"change_type":"AddColumn"'
migrate "$work/next.tar.gz" -H 'Accept: application/x-ndjson'
expect "the release, told line by line" 200 '{"event":"started","databases":4}' '{"event":"database",' \
    '{"event":"completed",' '"migrations_applied":4'
migrate "$todos"
expect "going back would lose a column" 409 '"error":"migration_failed"' '"change_type":"DropColumn"' '"column":"nickname"' \
    '"compatibility":"dataloss"' '"rows_at_risk":0'
migrate "$work/next.tar.gz" -F tenant_id=nobody
expect "no such tenant" 404 '"error":"database_not_found"'

section "Stored schemas"
json=(-H 'Content-Type: application/json')
stores=${platform}_stores
for schema in main_db tenant_db; do
    tar -czf "$work/$schema.tar.gz" -C "$root/examples/stores/$schema" .
done
request /platform/register "${json[@]}" -d "{\"platform\":\"$stores\"}"
expect "a platform is registered" 201 '"status":"registered"' '"has_dedicated_credentials":false'
request /platform/register "${json[@]}" -d "{\"platform\":\"$stores\"}"
expect "once" "$conflict" '"error":"invalid_request"'
for schema in main_db tenant_db; do
    request "/platform/$stores/schema" -F "schema_name=$schema" -F "schema=@$work/$schema.tar.gz"
    expect "the schema $schema is stored" 201 "\"schema_name\":\"$schema\"" '"has_tables":true' '"checksum":"' '"warnings":[]'
done
request /database/create "${json[@]}" -d "{\"platform\":\"$stores\",\"schema_name\":\"main_db\",\"database_id\":\"main\"}"
expect "the main database" 201 '"status":"created"' "\"database_name\":\"${stores}_main_db_main\"" '"tables_created":2'
request /database/create "${json[@]}" -d "{\"platform\":\"$stores\",\"schema_name\":\"tenant_db\",\"database_id\":\"s-1\"}"
expect "a store's database" 201 '"tables_created":4' '"types_deployed":1' '"inserted":2'
request /database/create "${json[@]}" -d "{\"platform\":\"$stores\",\"schema_name\":\"tenant_db\",\"database_id\":\"s-1\"}"
expect "which exists by now" "$conflict" '"error":"database_already_exists"'
mine=$platform platform=$stores
call open_store '{"p_store":"s_1"}'
expect "a call of the main database" 200 '"store":"s_1","plan":"free"'
call add_product '["TEA-1","Green tea",4.2]' '"tenant_id":"s-1"'
expect "a call by the database's id" 200 '"price":4.20'
call list_products '[]' '"schema_name":"tenant_db","database_id":"s-1"'
expect "a call by schema and id" 200 '"sku":"TEA-1"'
platform=$mine
request "/platform/$stores/databases?schema=tenant_db"
expect "its databases" 200 '"id":"s-1"' '"schema_name":"tenant_db"' '"count":1'
request "/platform/$stores/schemas"
expect "its schemas" 200 '"name":"main_db"' '"name":"tenant_db"' '"count":2'
request /v2/migrate "${json[@]}" -d "{\"platform\":\"$stores\",\"schema_name\":\"tenant_db\"}"
expect "nothing to migrate" 200 '"status":"completed"' '"schema_name":"tenant_db"' '"status":"unchanged"'
request /platforms
expect "the platforms" 200 "{\"name\":\"$stores\",\"schemas\":2,\"databases\":2}"

section "Routing"
request /no/such/path
expect "an unknown path" 404 '"error":"not_found"' '"message":"'
request /call
expect "GET where POST is due" 405 '"error":"method_not_allowed"'
request /health -X DELETE
expect "DELETE where GET is due" 405 '"error":"method_not_allowed"'
request /register --http1.0 -F "platform=$platform" -F "schema=@$work/next.tar.gz"
expect "HTTP/1.0" 200 '"status":"ready"'
request /register -H "Transfer-Encoding: chunked" -F "platform=$platform" -F "schema=@$work/next.tar.gz"
expect "an upload in chunks" 200 '"status":"ready"'

section "The README's quick start, word for word"
# Its sh blocks are run one after the other, in one folder; a json block is the answer of the sh block before it. Only
# the gateway's address and the platform's name are others, because this gateway may have a platform of that name.
mkdir "$work/readme"
shop=e2e_shop_${platform#e2e_}
sed -e "s,http://127.0.0.1:9000,$url,g" -e "s/shop/$shop/g" "$root/README.md" | awk -v dir="$work/readme" '
    /^<!-- tests\/e2e.sh runs/ { on = 1 }
    /^<!-- end of what tests/ { on = 0 }
    on && /^```(sh run|json answer)$/ { file = sprintf("%s/%02d.%s", dir, ++n, substr($1, 4)); next }
    /^```/ { file = "" }
    file != "" { print > file }'
# JSON as it is compared here: without white space, and every time taken is 0.
same_json() { tr -d ' \n' <"$1" | sed -E 's/("execution_time_ms":)[0-9]+/\10/'; }
folder=$work/readme
for block in "$work"/readme/??.*; do
    case $block in
        *.sh)
            # In a shell of its own, except for the folder that it ends in.
            bash -c 'cd "$1" && set -e && . "$2" && pwd >"$3"' - "$folder" "$block" "$work/folder" \
                >"$work/answer" 2>"$work/curl" || cat "$work/curl" >>"$work/answer"
            folder=$(cat "$work/folder")
            ;;
        *.json)
            wrong=()
            [[ $(same_json "$work/answer") == "$(same_json "$block")" ]] || wrong+=("$(cat "$block")")
            report "answer ${block##*/}" "$(cat "$work/answer")" "${wrong[@]}"
            ;;
    esac
done
status=409 body=$(cat "$work/answer")
expect "and the refusal at the end" 409 '"error":"query_failed"' '"sqlstate":"23505"' '"cause":"'

section "The scripts for containers, under each shell that is here"
mkdir -p "$work/container/postgresql"/{tables,functions}
# Usage: in_shell WHAT STATUS FRAGMENT SHELL SCRIPT [NAME=VALUE]…
in_shell() {
    local what=$1 wanted=$2 fragment=$3 shell=$4 script=$5 wrong=() shell_words
    shift 5
    read -ra shell_words <<<"$shell"
    env DB_GATEWAY_URL="$url" GATEWAY_TOKEN="${ADMIN_TOKEN:-}" POSTGRESQL_PATH="$work/container/postgresql" RETRIES=1 "$@" \
        "${shell_words[@]}" "$root/scripts/$script.sh" >"$work/said" 2>&1
    status=$?
    [[ $status == "$wanted" ]] || wrong+=("exit status $wanted")
    [[ $(<"$work/said") == *"$fragment"* ]] || wrong+=("$fragment")
    report "$shell: $what" "$status $(<"$work/said")" "${wrong[@]}"
}
for shell in sh dash "busybox sh"; do
    command -v "${shell%% *}" >/dev/null 2>&1 || continue
    of="PLATFORM_ID=${platform}_${shell%% *}"
    bundle="$work/container/postgresql"
    echo 'CREATE TABLE t (id int PRIMARY KEY, v text);' >"$bundle/tables/t.sql"
    echo "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'" >"$bundle/functions/one.sql"
    in_shell "a new database" 0 "1 tables, 1 functions deployed" "$shell" register-with-gateway "$of"
    in_shell "a tenant's" 0 "ready: ${platform}_${shell%% *}_t1" "$shell" register-with-gateway "$of" TENANT_ID=t1
    in_shell "again" 0 "1 unchanged" "$shell" register-with-gateway "$of"
    echo "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 2'" >"$bundle/functions/one.sql"
    in_shell "what a release would do" 0 "it can be done" "$shell" migrate-schema "$of" DRY_RUN=true
    in_shell "a release" 0 "${platform}_${shell%% *}_t1: completed" "$shell" migrate-schema "$of"
    echo 'CREATE TABLE t (id int PRIMARY KEY);' >"$bundle/tables/t.sql"
    in_shell "what would lose data" 4 "DropColumn t (dataloss)" "$shell" migrate-schema "$of" DRY_RUN=true
    in_shell "and is refused" 1 "would lose data" "$shell" migrate-schema "$of"
    in_shell "but for force" 0 "done in" "$shell" migrate-schema "$of" FORCE=true
    echo 'CREATE TABLE u (x no_such_type);' >"$bundle/tables/u.sql"
    in_shell "where it is wrong" 1 "tables/u.sql, line 1" "$shell" register-with-gateway "$of"
    rm "$bundle/tables/u.sql"
    in_shell "used wrongly" 2 "PLATFORM_ID is not set" "$shell" register-with-gateway PLATFORM_ID=
    in_shell "no gateway" 3 "did not become healthy" "$shell" migrate-schema "$of" DB_GATEWAY_URL=http://127.0.0.1:1
done

if command -v php >/dev/null 2>&1; then
    section "A PHP client: streams, HTTP/1.0, a form made by hand"
    php -n "$root/tests/php/client.php" "$url" "$platform" php "$todos" >"$work/php" 2>&1
    # Usage: php_line; reads the next line of what the client printed.
    php_line() {
        local line
        IFS= read -r line <&4 || line="000 the client printed nothing more"
        status=${line%% *} body=${line#* }
    }
    exec 4<"$work/php"
    php_line && expect "register" 200 '"status":"ready"' "\"database\":\"${platform}_php\"" "\"functions_deployed\":$functions"
    php_line && expect "[] for no parameters" 200 '{"rows":[{"todo_count":0}],"row_count":1'
    php_line && expect "parameters by name, with escaped Unicode" 200 '"user_id":1,"email":"émile@example.com","display_name":"Émile / É"'
    php_line && expect "JSON in a string" 200 '{"rows":[{"import_todos":1}]'
    php_line && expect "rows" 200 '"title":"Ünïcode","notes":null,"status":"open","priority":2' '"row_count":1'
    php_line && expect "an error's body" 404 '"error":"query_failed"' '"sqlstate":"PT404"' 'there is no todo 4711'
    exec 4<&-

    section "The examples in PHP: a client of one file, the start of a container, stored schemas"
    php -n "$root/tests/php/example.php" "$url" "${platform}_ex" >"$work/php" 2>&1
    printf 'the last line\n' >>"$work/php"
    while IFS= read -r line; do
        case $line in
            'ok '*) report "${line#ok }" "" ;;
            'the last line') ;;
            *) report "the examples in PHP" "$line" "ok" ;;
        esac
    done <"$work/php"
    wrong=()
    [[ $(grep -c '^ok ' "$work/php") == 19 ]] || wrong+=("19 checks")
    report "all of them" "$(<"$work/php")" "${wrong[@]}"
    status=0
    DB_GATEWAY_URL=$url PLATFORM_ID=${platform}_start GATEWAY_TOKEN=${ADMIN_TOKEN:-} POSTGRESQL_PATH=$root/examples/todos/postgresql \
        php -n "$root/examples/php/register.php" >"$work/said" 2>&1 || status=$?
    wrong=()
    [[ $status == 0 && $(<"$work/said") == *"_start_main is ready"* ]] || wrong+=("is ready")
    report "the start of a container" "$status $(<"$work/said")" "${wrong[@]}"
else
    printf '\nNo php here: its client is left out\n'
fi

printf '\n%s passed, %s failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
