#!/usr/bin/env bash
# The installation, tried in a real systemd as process 1: a Debian root of its own, booted by systemd-nspawn. By hand, word for word as
# docs/guides/operations.md has it; calls; ten restarts under load; reload; the watchdog; deploy/install.sh over it, over an installation
# of before, and with a mistake; deploy/uninstall.sh; the package of scripts/package.sh over that, over an earlier package, removed, purged.
# Usage, as root: tests/systemd.sh [BINARY]      (default: target/release/stonescriptdb-gateway, else target/debug)
#
# Where it cannot run it says why in one line, and ends with 0. Not part of tests/run-tests.sh: the first run fetches the root (two
# minutes), which stays in SYSTEMD_TEST_CACHE (~/.cache/stonescriptdb-gateway); later ones take a minute.
#
# SYSTEMD_TEST_SUITE=jammy (Ubuntu 22.04) or another release than bookworm: from SYSTEMD_TEST_MIRROR, where this machine has no source
# for it. Where its own PostgreSQL is too old, a newer one is fetched and stands where the packages of postgresql.org put theirs.
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

cannot() {
    say "tests/systemd.sh cannot run here: $*"
    exit 0
}

((EUID == 0)) || cannot "it has to be root"
for needed in debootstrap systemd-nspawn apt-get; do
    have "$needed" || cannot "there is no $needed"
done
binary=${1:-$(target_dir)/release/stonescriptdb-gateway}
[[ -x $binary ]] || binary=$(target_dir)/debug/stonescriptdb-gateway
[[ -x $binary ]] || fail "there is no program: cargo build"

cache=${SYSTEMD_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/stonescriptdb-gateway}
suite=${SYSTEMD_TEST_SUITE:-bookworm}
base=$cache/$suite
if [[ ! -e $base.ready ]]; then
    # From where this machine takes its own packages.
    # shellcheck disable=SC2016 # apt's own
    mirror=${SYSTEMD_TEST_MIRROR:-$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 2>/dev/null | awk -v suite="$suite" '$2 == suite {print $1; exit}')}
    [[ -n $mirror ]] || cannot "no source of packages for $suite is configured"
    say "Making a root of $suite"
    rm -rf "$base"
    mkdir -p "$cache"
    debootstrap --variant=minbase \
        --include=systemd,systemd-sysv,dbus,curl,ca-certificates,postgresql,procps,passwd,python3-minimal,binutils \
        "$suite" "$base" "$mirror" >"$base.log" 2>&1 || cannot "debootstrap failed; see $base.log"
    touch "$base.ready"
fi

place=$(mktemp -d "${TMPDIR:-/tmp}/gateway-systemd.XXXXXX")
trap 'rm -rf "$place"' EXIT
machine=$place/root
cp -a --reflink=auto "$base" "$machine"
: >"$machine/etc/machine-id"
# The server that the package starts is not the one that is tried.
rm -f "$machine/etc/systemd/system/multi-user.target.wants/postgresql.service"

if [[ -z $(compgen -G "$machine/usr/lib/postgresql/1[5-9]/bin/postgres") ]]; then
    bin_dir=$("$root/scripts/fetch-postgres.sh" 18)
    mkdir -p "$machine/usr/lib/postgresql"
    cp -rL "${bin_dir%/bin}" "$machine/usr/lib/postgresql/18"
fi

# The project as it is after cargo build --release.
project=$machine/root/project
mkdir -p "$project/target/release"
cp -r "$root/deploy" "$root/scripts" "$root/.env.example" "$project/"
install -m 0755 "$binary" "$project/target/release/stonescriptdb-gateway"
strip "$project/target/release/stonescriptdb-gateway" 2>/dev/null || true
cp "$root/tests/systemd/inside.sh" "$root/tests/systemd/clients.py" "$machine/root/"
# The package, and the same as an earlier version.
CARGO_TARGET_DIR=$place/package "$root/scripts/package.sh" "$binary"
cp "$place"/package/debian/*.deb "$machine/root/new.deb"
dpkg-deb -R "$machine/root/new.deb" "$place/earlier"
sed -i 's/^Version: .*/Version: 0.0.1-1/' "$place/earlier/DEBIAN/control"
dpkg-deb -b "$place/earlier" "$machine/root/earlier.deb" >"$place/dpkg-deb.log"
# Boots, runs inside.sh, and ends.
printf '%s\n' '[Unit]' 'After=multi-user.target' '[Service]' 'Type=oneshot' 'ExecStart=/bin/bash /root/inside.sh' \
    'ExecStopPost=/bin/systemctl poweroff --force' 'StandardOutput=file:/root/log' 'StandardError=inherit' 'TimeoutStartSec=600' \
    '[Install]' 'WantedBy=default.target' >"$machine/etc/systemd/system/trial.service"
mkdir -p "$machine/etc/systemd/system/graphical.target.wants"
ln -s ../trial.service "$machine/etc/systemd/system/graphical.target.wants/trial.service"

say "Booting"
timeout 700 systemd-nspawn --quiet --directory="$machine" --boot --console=pipe --register=no --keep-unit \
    </dev/null >"$place/console" 2>&1 || true
[[ -e $machine/root/log ]] || cannot "systemd-nspawn does not boot: $(tail -n 1 "$place/console")"
cat "$machine/root/log"
[[ -e $machine/root/passed ]] || fail "it went wrong; the last step is above"
