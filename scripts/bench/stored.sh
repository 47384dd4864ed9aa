# shellcheck shell=bash
# Stored schemas (v2): POST /database/create beside a bare CREATE DATABASE … TEMPLATE of the same blueprint, for a small
# schema and a large one; and a platform that grows to many databases, which are then migrated all at once: what one more
# costs must not depend on how many there are. To be sourced by scripts/bench.sh; bench_stored is the way in.

: "${root:?}" "${work:?}" "${pairs:?}" "${url:?}" "${stored:?}"
# shellcheck source=scripts/bench/bundle.sh
source "$root/scripts/bench/bundle.sh"

stored_platform=stored
# The gateway's longest answer of this run; the client waits as long as there are databases.
stored_seconds=$((120 + stored * 2))

bench_stored() {
    local bundle=$work/stored script=$work/stored.sql revision=0
    write_bundle "$bundle/large/postgresql" "$script"
    write_small "$bundle/small/postgresql" 0
    post /platform/register "{\"platform\":\"$stored_platform\"}" '"status":"registered"'
    store small
    store large
    open_session
    settle
    create_beside_copy small
    settle
    create_beside_copy large
    settle
    grow
    close_session
}

# Usage: write_small FOLDER REVISION
write_small() {
    mkdir -p "$1"/{tables,functions}
    printf '%s\n' "CREATE TABLE note (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text NOT NULL);" \
        >"$1/tables/note.pssql"
    printf '%s\n' "CREATE FUNCTION revision() RETURNS int LANGUAGE sql AS 'SELECT $2';" >"$1/functions/revision.pssql"
}

# Usage: store SCHEMA
store() {
    tar -czf "$work/$1.tar.gz" -C "$bundle/$1" postgresql
    ask_gateway "$url/platform/$stored_platform/schema" '"status":"registered"' -F "schema_name=$1" \
        -F "schema=@$work/$1.tar.gz"
}

# A POST of a JSON body; it takes what curl says the request took. Usage: post PATH BODY EXPECTED
post() { ask_gateway "$url$1" "$3" -H 'Content-Type: application/json' -d "$2"; }

# Usage: ask_gateway URL EXPECTED CURL-ARGUMENT…
ask_gateway() {
    local where=$1 expected=$2
    shift 2
    answer=$(curl -sS --noproxy '*' --max-time "$stored_seconds" -w '\n%{time_total}' "$@" "$where") ||
        fail "the gateway did not answer; its log: $(tail -n 3 "$work/gateway.log")"
    took "$(microseconds "${answer##*$'\n'}" 1000000)"
    [[ $answer == *"$expected"* ]] || fail "expected $expected in the gateway's answer: ${answer:0:2000}"
}

# Usage: create SCHEMA ID
create() {
    post /database/create \
        "{\"platform\":\"$stored_platform\",\"schema_name\":\"$1\",\"database_id\":\"$2\"}" '"status":"created"'
}

# Usage: blueprint_of SCHEMA
blueprint_of() {
    ask stonescriptdb-gateway "SELECT name FROM blueprints
        WHERE platform = '$stored_platform' AND '$1' = ANY (schemas)"
}

# Usage: create_beside_copy SCHEMA
create_beside_copy() {
    local schema=$1 turn blueprint
    blueprint=$(blueprint_of "$schema")
    for ((turn = 0; turn <= 2 * pairs; turn++)); do
        create "$schema" "pair_$turn"
        record "create_$schema.gateway"
        in_session "CREATE DATABASE copy_${schema}_$turn TEMPLATE \"$blueprint\""
        record "create_$schema.copy"
    done
    compare "\`/database/create\`, a $schema schema" "create_$schema.gateway" \
        "\`CREATE DATABASE … TEMPLATE\` its blueprint" "create_$schema.copy" 1.3
}

# The platform grows. What its last fifth of databases took, beside bare copies made in turn with them, as the first fifth
# did; and what a release takes for each database when there are all of them, beside the first fifth alone.
grow() {
    local number part=$((stored / 5)) phase blueprint
    blueprint=$(blueprint_of small)
    say "Making $stored databases of a stored schema" >&2
    for ((number = 1; number <= stored; number++)); do
        create small "store_$number"
        phase=
        if ((number <= part)); then phase=few; elif ((number > stored - part)); then phase=many; fi
        if [[ -n $phase ]] && ((number % 4 == 0)); then
            record "grow_create.$phase"
            in_session "CREATE DATABASE copy_$number TEMPLATE \"$blueprint\""
            record "grow_copy.$phase"
        fi
        if ((number == part)); then
            release few
            blueprint=$(blueprint_of small)
        fi
    done
    release many
    compare "\`/database/create\`, number 1 to $part" grow_create.few "a bare copy, in turn" grow_copy.few 1.3
    compare "\`/database/create\`, number $((stored - part + 1)) to $stored" grow_create.many \
        "a bare copy, in turn" grow_copy.many 1.3
    compare "\`/v2/migrate\`, for each of $(tail -n 1 "$work/series/grow_count.many")" grow_release.many \
        "for each of $(tail -n 1 "$work/series/grow_count.few")" grow_release.few 1.2
}

# Sends new versions of the schema, each of which all its databases then get. Usage: release SERIES
release() {
    local turn count
    for ((turn = 0; turn <= pairs; turn++)); do
        ((revision += 1))
        write_small "$bundle/small/postgresql" "$revision"
        store small
        post /v2/migrate "{\"platform\":\"$stored_platform\",\"schema_name\":\"small\"}" '"status":"completed"'
        # One function each; the sum comes first.
        [[ $answer =~ \"functions_updated\":([0-9]+) ]] || fail "no count in the gateway's answer: ${answer:0:2000}"
        count=${BASH_REMATCH[1]}
        say "$count" >>"$work/series/grow_count.$1"
        # shellcheck disable=SC2154 # measure.sh keeps it
        took $((last_us / count))
        record "grow_release.$1"
    done
}
