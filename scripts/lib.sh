# shellcheck shell=bash
# What the scripts share: words to the user, packages, and where Rust, PostgreSQL and the settings are.
# To be sourced. Bash 4 or later, and nothing that a fresh Debian or Ubuntu does not have.

# The project's folder.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*"; }

# One line on stderr, and the end.
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# --- settings ---------------------------------------------------------------------------------------------------------

# The value that the gateway will see: of the environment, even an empty one, else of the project's .env.
# Usage: setting NAME DEFAULT
setting() {
    local name=$1 default=$2 value=
    if [[ -v $name ]]; then
        value=${!name}
    elif [[ -r $root/.env ]]; then
        # The first of two wins, as for the gateway. Quotes around the value do not belong to it.
        value=$(sed -nE "s/^[[:space:]]*(export[[:space:]]+)?${name}[[:space:]]*=[[:space:]]*//p" "$root/.env" | head -n 1)
        case $value in
            \"*\"*) value=${value#\"} value=${value%%\"*} ;;
            \'*\'*) value=${value#\'} value=${value%%\'*} ;;
            *) value=$(sed -E 's/[[:space:]]+(#.*)?$//' <<<"$value") ;;
        esac
    fi
    printf '%s' "${value:-$default}"
}

# --- packages ---------------------------------------------------------------------------------------------------------

# Debian's names of what is missing; the want_* functions add to it.
packages=()

want_command() { # COMMAND PACKAGE
    have "$1" || packages+=("$2")
}

# What compiling needs: a C compiler and linker, and libclang with the compiler's own headers, from which bindgen makes
# the bindings of PostgreSQL's grammar.
want_build_tools() {
    want_command cc build-essential
    have_libclang || packages+=(libclang-dev)
    # cargo fetches crates over TLS.
    [[ -e /etc/ssl/certs/ca-certificates.crt || -d /etc/pki || ! -e /etc/debian_version ]] || packages+=(ca-certificates)
}

have_libclang() {
    [[ -z ${LIBCLANG_PATH:-} ]] || return 0
    local library headers
    library=$(compgen -G '/usr/lib*/libclang*.so*' || compgen -G '/usr/lib*/*/libclang*.so*' ||
        compgen -G '/usr/l*/llvm*/lib*/libclang*.so*' || compgen -G '/usr/lib/llvm*/lib/libclang*.so*')
    headers=$(compgen -G '/usr/lib*/clang/*/include/stddef.h' || compgen -G '/usr/lib*/llvm*/lib*/clang/*/include/stddef.h')
    [[ -n $library && -n $headers ]]
}

# The oldest PostgreSQL that the gateway works with.
oldest_postgres=15

# A PostgreSQL server: its programs, that is. The gateway starts and stops one of its own with them.
want_postgres() {
    local given
    given=$(setting PG_BIN_DIR '')
    if [[ -n $given ]] && ! is_postgres_bin_dir "$given"; then
        fail "PG_BIN_DIR=$given has no programs postgres and initdb of version $oldest_postgres or later in it"
    fi
    if [[ -z $(postgres_bin_dir) ]]; then
        packages+=(postgresql)
    elif ((EUID == 0)) && ! id -u postgres >/dev/null 2>&1; then
        # PostgreSQL refuses root, and the package brings the user that it runs as instead.
        packages+=(postgresql)
    fi
}

# The folder of `postgres` and `initdb`, looked for where the gateway looks: nothing where there is none.
postgres_bin_dir() {
    local dir dirs=()
    dir=$(setting PG_BIN_DIR '')
    if [[ -n $dir ]]; then
        printf '%s' "$dir"
        return 0
    fi
    dir=$(pg_config --bindir 2>/dev/null) && dirs+=("$dir")
    dir=$(command -v postgres) && dirs+=("$(dirname "$dir")")
    # By number: 18 before 9.6.
    while read -r dir; do dirs+=("$dir/bin"); done < <(compgen -G '/usr/lib/postgresql/*' | sort -Vr)
    for dir in "${dirs[@]}"; do
        if is_postgres_bin_dir "$dir"; then
            printf '%s' "$dir"
            return 0
        fi
    done
}

# Whether a server's programs are in a folder, and new enough.
is_postgres_bin_dir() {
    [[ -x $1/postgres && -x $1/initdb ]] || return 1
    local version
    version=$("$1/postgres" --version 2>/dev/null) && [[ $version =~ \(PostgreSQL\)\ ([0-9]+) ]] &&
        ((BASH_REMATCH[1] >= oldest_postgres))
}

# Installs what the want_* functions found missing. Nothing missing: nothing done, nothing said.
install_missing() {
    ((${#packages[@]})) || return 0
    local wanted=("${packages[@]}") sudo=()
    packages=()
    if ! have apt-get; then
        fail "missing here, by their Debian names: ${wanted[*]}. Install your system's packages for them, then start again."
    fi
    if ((EUID != 0)); then
        have sudo || fail "as root, run: apt-get install ${wanted[*]}   (then start again; there is no sudo here)"
        sudo=(sudo)
    fi
    say "Installing: ${wanted[*]}"
    local log
    log=$(mktemp)
    if ! run_apt "${sudo[@]}" >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        rm -f "$log"
        fail "installing ${wanted[*]} failed; the last words of apt-get are above"
    fi
    rm -f "$log"
}

# Whether what apt would install as `postgresql` is too old (Ubuntu 22.04 has 14).
is_packaged_postgres_old() {
    local version
    version=$(apt-cache policy postgresql 2>/dev/null | sed -nE 's/^ *Candidate: ([0-9]+:)?([0-9]+).*/\2/p')
    [[ -n $version ]] && ((version < oldest_postgres))
}

# Usage: run_apt [sudo]; installs $wanted.
run_apt() {
    # No questions; a machine that was just started may still be updating itself, so wait for dpkg's lock. curl and the
    # like do without what is merely recommended.
    local apt=("$@" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300)
    local no_cluster=/etc/postgresql-common/createcluster.d/stonescriptdb-gateway.conf made=
    "${apt[@]}" update </dev/null || return 1
    # Debian's package makes a cluster of its own and starts it; nobody needs it here. Where postgresql-common is there
    # already, its administrator has decided.
    if [[ " ${wanted[*]} " == *" postgresql "* && ! -e /usr/bin/pg_createcluster ]]; then
        "$@" mkdir -p "${no_cluster%/*}"
        echo 'create_main_cluster = false' | "$@" tee "$no_cluster"
        made=yes
    fi
    local status=0
    if [[ " ${wanted[*]} " == *" postgresql "* ]] && is_packaged_postgres_old; then
        # postgresql.org has newer ones for this system; the distribution's own script makes them known to apt.
        "${apt[@]}" install --no-install-recommends postgresql-common ca-certificates </dev/null || return 1
        "$@" /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y </dev/null || status=1
        # Otherwise it would be installed, and the gateway would refuse it.
        if ((status)) || is_packaged_postgres_old; then
            echo "The packaged PostgreSQL is older than $oldest_postgres, and that of postgresql.org was not to be had:" \
                "set PG_BIN_DIR to the folder of another one's programs (scripts/fetch-postgres.sh 18 prints one)."
            [[ -z $made ]] || "$@" rm -f "$no_cluster"
            return 1
        fi
    fi
    "${apt[@]}" install --no-install-recommends "${wanted[@]}" </dev/null || status=1
    [[ -z $made ]] || "$@" rm -f "$no_cluster"
    return "$status"
}

# --- Rust -------------------------------------------------------------------------------------------------------------

# Puts cargo on the PATH, or says what to do.
find_cargo() {
    local dir wanted found
    for dir in "${CARGO_HOME:-${HOME:-/nonexistent}/.cargo}/bin" /usr/local/cargo/bin; do
        have cargo || { [[ -x $dir/cargo ]] && PATH=$dir:$PATH; }
    done
    have cargo || fail "Rust is missing: install it (https://rustup.rs), then start again"
    wanted=$(sed -nE 's/^rust-version = "(.*)"/\1/p' "$root/Cargo.toml")
    found=$(cd "$root" && rustc --version 2>/dev/null | cut -d ' ' -f 2) || true
    if [[ $(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1) != "$wanted" ]]; then
        fail "Rust $wanted or later is needed, found: ${found:-none that runs}: run rustup update"
    fi
}

# rustfmt and clippy are parts of their own; a minimal Rust comes without them.
want_rust_component() { # COMMAND COMPONENT
    have "$1" && (cd "$root" && "$1" --version >/dev/null 2>&1) && return
    have rustup || fail "$2 is missing, and there is no rustup here to add it"
    (cd "$root" && rustup --quiet component add "$2") || fail "adding $2 with rustup failed"
}

# The folder that cargo builds into.
target_dir() {
    local dir=${CARGO_TARGET_DIR:-target}
    [[ $dir == /* ]] || dir=$root/$dir
    printf '%s' "$dir"
}

# --- the system -------------------------------------------------------------------------------------------------------

# The nearest part of a path that exists.
existing_part() {
    local path=$1
    while [[ ! -e $path ]]; do path=$(dirname "$path"); done
    printf '%s' "$path"
}

# Whether something listens there. Usage: port_answers HOST PORT
port_answers() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

# A TCP port that nobody listens on at the moment.
free_port() {
    local port
    while true; do
        port=$((20000 + RANDOM % 12000))
        port_answers 127.0.0.1 "$port" || break
    done
    printf '%s' "$port"
}

# Whether the user `postgres`, as whom a gateway of root's runs PostgreSQL, can enter a folder, or the part of its path
# that exists.
postgres_can_enter() { runuser -u postgres -- test -x "$(existing_part "$1")"; }

# Waits for GET /health to say 200. Usage: wait_until_healthy URL PID SECONDS. Fails when the process ends or the time
# is over.
wait_until_healthy() {
    local url=$1 pid=$2 deadline=$((SECONDS + $3))
    until curl -fsS --noproxy '*' --max-time 5 -o /dev/null "$url/health" 2>/dev/null; do
        kill -0 "$pid" 2>/dev/null || return 1
        ((SECONDS < deadline)) || return 2
        sleep 0.1
    done
}
