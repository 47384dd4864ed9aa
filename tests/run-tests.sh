#!/usr/bin/env bash
# Installs what is missing, then checks formatting, lints, documentation and scripts, and runs all tests: cargo's, and an
# end-to-end run of the built program over curl. Each starts PostgreSQL servers of its own, so none has to be running.
#
#   ./tests/run-tests.sh                              on the PostgreSQL that is installed
#   PG_VERSIONS="15 16 18" ./tests/run-tests.sh       on each of these, fetching what is missing
#   ISOLATION_VERSIONS=18 ./tests/run-tests.sh        besides, what keeps platforms apart on each of these
#   GATEWAY_URL=http://host:9000 ./tests/run-tests.sh only the end-to-end part, against that gateway; needs no Rust
#
# The last line is "N passed, N failed" of the end-to-end checks; the exit status is 0 only if everything passed.
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"
cd "$root"
exec </dev/null

if [[ -n ${GATEWAY_URL:-} ]]; then
    want_command curl curl
    want_command tar tar
    install_missing
    exec ./tests/e2e.sh
fi

step() { printf '\n=== %s (after %d s)\n' "$*" "$SECONDS"; }

# --- what is needed ---------------------------------------------------------------------------------------------------

# The tests know what they want; what the user has set for a gateway of his own is not for them.
while read -r name; do
    [[ $name == PG_BIN_DIR ]] || unset "$name"
done < <(sed -nE 's/^#?([A-Z_]+)=.*/\1/p' .env.example)

want_build_tools
want_command curl curl
want_command tar tar
want_command shellcheck shellcheck
want_command php php-cli
want_command dash dash
want_command busybox busybox
if [[ -z ${PG_VERSIONS:-} ]]; then
    want_postgres
elif ((EUID == 0)) && ! id -u postgres >/dev/null 2>&1; then
    # PostgreSQL refuses root, and the package brings the user that it runs as instead.
    packages+=(postgresql)
fi
find_cargo
want_rust_component rustfmt rustfmt
want_rust_component cargo-clippy clippy
install_missing

bin_dirs=()
for version in ${PG_VERSIONS:-}; do
    # Not in an array's assignment, which would hide a failure.
    bin_dir=$(./scripts/fetch-postgres.sh "$version")
    bin_dirs+=("$bin_dir")
done
if ((${#bin_dirs[@]} == 0)); then
    bin_dirs=("$(postgres_bin_dir)")
fi
isolation_dirs=()
for version in ${ISOLATION_VERSIONS:-}; do
    bin_dir=$(./scripts/fetch-postgres.sh "$version")
    isolation_dirs+=("$bin_dir")
done

# --- what needs no server ---------------------------------------------------------------------------------------------

step "Formatting"
cargo fmt --check || fail "cargo fmt puts it right"

step "Shell scripts"
shellcheck -x .ci/run scripts/*.sh scripts/bench/*.sh tests/*.sh tests/systemd/*.sh tests/takeover/*.sh deploy/*.sh

step "Clippy"
cargo clippy --locked --all-targets -- -D warnings

step "Documentation"
RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps

# --- on each PostgreSQL -----------------------------------------------------------------------------------------------

work=$(mktemp -d)
# Root's gateway runs PostgreSQL as the user postgres, who has to get in.
chmod 755 "$work"
gateway=
clean_up() {
    [[ -z $gateway ]] || kill "$gateway" 2>/dev/null || true
    [[ -z $gateway ]] || wait "$gateway" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The program that cargo test has just built, on a PostgreSQL of its own, asked from outside.
# Usage: end_to_end BIN-DIR; adds to $passed and $failed.
end_to_end() {
    local port data log=$work/gateway.log out=$work/e2e.out status=0
    port=$(free_port)
    data=$(mktemp -d "$work/data-XXXXXX")
    chmod 755 "$data"
    # In a folder of its own, so that no .env is read.
    (cd "$work" && exec env GATEWAY_PORT="$port" DATA_DIR="$data" PG_BIN_DIR="$1" \
        "$(target_dir)/debug/stonescriptdb-gateway") >"$log" 2>&1 &
    gateway=$!
    if ! wait_until_healthy "http://127.0.0.1:$port" "$gateway" 120; then
        cat "$log" >&2
        fail "the gateway did not start on port $port; its log is above"
    fi
    GATEWAY_URL=http://127.0.0.1:$port ./tests/e2e.sh | tee "$out" || status=1
    ((status == 0)) || { echo "The gateway's last log lines:" && tail -n 40 "$log"; }
    kill -TERM "$gateway"
    if ! wait "$gateway"; then
        tail -n 20 "$log" >&2
        fail "the gateway did not stop as it should on SIGTERM; its last log lines are above"
    fi
    gateway=
    local counted
    counted=$(tail -n 1 "$out")
    [[ $counted =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]] || fail "the end-to-end run came to no end: $counted"
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
}

passed=0
failed=0
for bin_dir in "${bin_dirs[@]}"; do
    version=$("$bin_dir/postgres" --version)
    step "cargo test on $version"
    # All random histories on the first, some on the others: what differs between versions shows in few of them.
    histories=()
    ((passed == 0)) || histories=(EVOLUTION_SEED=1-10)
    env PG_BIN_DIR="$bin_dir" "${histories[@]}" cargo test --locked --no-fail-fast || fail "cargo test failed on $version"
    if ((passed == 0)); then
        # On the first, a part of it where whatever the gateway calls is there a second time, and fits better.
        step "Among planted names on $version"
        env PG_BIN_DIR="$bin_dir" HOSTILE_NAMES=1 cargo test --locked --no-fail-fast --test integration -- \
            migrate:: updates:: functions:: seeders:: ids:: dependants:: ||
            fail "cargo test failed among planted names on $version"
    fi
    step "End to end on $version"
    end_to_end "$bin_dir"
done

# Rights, settings and roles are what differs most between versions: of the others, the tests of the walls alone.
for bin_dir in "${isolation_dirs[@]}"; do
    version=$("$bin_dir/postgres" --version)
    step "Isolation on $version"
    PG_BIN_DIR=$bin_dir cargo test --locked --no-fail-fast --test isolation || fail "cargo test --test isolation failed on $version"
done

step "Everything else passed; end to end on ${#bin_dirs[@]} PostgreSQL:"
echo "$passed passed, $failed failed"
((failed == 0))
