# shellcheck shell=bash
# POST /register beside psql: the first database of a bundle, further tenants, the same bundle once more. To be sourced
# by scripts/bench.sh; bench_register is the way in.

: "${root:?}" "${work:?}" "${pairs:?}"
# shellcheck source=scripts/bench/bundle.sh
source "$root/scripts/bench/bundle.sh"

# The databases stay until the end: a file system that has just removed thousands of files is slow at making new ones
# (ext4 does not use their inodes again for half a minute), which would make both sides look alike.
bench_register() {
    bundle=$work/bundle script=$work/bundle.sql archive=$work/bundle.tar.gz
    write_bundle "$bundle/postgresql" "$script"
    check_bundle
    open_session
    first_register
    settle
    second_tenant
    settle
    again
    close_session
}

# The figures are of a bundle of this size; a change to it would make them others.
check_bundle() {
    local tables functions
    tables=$(grep -rhc '^CREATE TABLE' "$bundle/postgresql/tables" | awk '{ sum += $1 } END { print sum }')
    functions=$(grep -rhcE '^CREATE (OR REPLACE )?FUNCTION' "$bundle/postgresql/functions" | awk '{ sum += $1 } END { print sum }')
    ((tables == 60 && functions == 100)) || fail "the bundle has $tables tables and $functions functions, not 60 and 100"
}

pack() { tar -czf "$archive" -C "$bundle" postgresql; }

# A bundle that the gateway has never seen, for a platform that it has never seen; psql runs the same text. Both are
# timed as processes, curl's start like psql's.
first_register() {
    local turn name
    for ((turn = 0; turn <= pairs; turn++)); do
        revise_bundle "$bundle/postgresql" "$script" "$turn"
        pack
        clock register "bench-$turn" '' "$archive" '"tables_created":60' '"functions_deployed":100'
        record first.gateway

        # One process makes the database and runs the files.
        name=psql_whole_$turn
        { printf 'CREATE DATABASE %s;\n\\connect %s\n' "$name" "$name" && cat "$script"; } >"$work/whole.sql"
        clock run_psql -f "$work/whole.sql"
        record first.psql

        # The files alone: each statement commits by itself, which is psql's way; then all in one transaction.
        name=psql_alone_$turn
        in_session "CREATE DATABASE $name"
        clock run_psql -d "$name" -f "$script"
        record first.psql_alone
        name=psql_single_$turn
        in_session "CREATE DATABASE $name"
        clock run_psql -d "$name" -1 -f "$script"
        record first.psql_single
    done
    local what="first \`/register\`: 60 tables, 100 functions"
    compare "$what" first.gateway "\`psql -f\`, the same text, with \`CREATE DATABASE\`" first.psql 2.0
    compare "$what" first.gateway "\`psql -f\` into a database that is there" first.psql_alone –
    compare "$what" first.gateway "\`psql -1 -f\` (one transaction) into a database that is there" first.psql_single –
}

# The bundle's blueprint is there, so a tenant is a copy of it. From here on both are timed without a process's start: a
# request by curl, a statement by psql.
second_tenant() {
    local turn blueprint
    register bench '' "$archive"
    blueprint=$(ask stonescriptdb-gateway "SELECT name FROM blueprints WHERE platform = 'bench'")
    for ((turn = 0; turn <= 2 * pairs; turn++)); do
        register bench "tenant-$turn" "$archive" '"tables_created":60' '"functions_deployed":100'
        record second.gateway
        in_session "CREATE DATABASE psql_copy_$turn TEMPLATE \"$blueprint\""
        record second.psql
    done
    compare "a second tenant of the same bundle" second.gateway "\`CREATE DATABASE … TEMPLATE\` its blueprint" second.psql 1.5
}

# What a container's start costs when nothing has changed.
again() {
    local turn
    for ((turn = 0; turn <= 3 * pairs; turn++)); do
        register bench '' "$archive" '"functions_deployed":0' '"functions_unchanged":100'
        record again.gateway
        connect_session bench_main
        record again.psql
    done
    compare "the same bundle sent again" again.gateway "a new connection of psql's and \`SELECT 1\`" again.psql –
}
