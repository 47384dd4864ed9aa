#!/usr/bin/env bash
# Makes a Debian package of the gateway: target/debian/stonescriptdb-gateway_VERSION_ARCH.deb
# Usage: scripts/package.sh [BINARY]      (default: what cargo build --release makes, which it runs)
#
# What is in it: Cargo.toml, [package.metadata.deb]; its scripts: deploy/debian. Installs cargo-deb, which makes it, where that is missing.
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

name=stonescriptdb-gateway
cd "${root:?}"
find_cargo
out=$(target_dir)/debian

if ! have cargo-deb; then
    tools=$(target_dir)/tools
    if [[ ! -x $tools/bin/cargo-deb ]]; then
        say "Installing cargo-deb"
        cargo install --quiet --locked --root "$tools" cargo-deb || fail "cargo-deb cannot be installed; the reason is above"
    fi
    PATH=$tools/bin:$PATH
fi

binary=${1:-}
if [[ -z $binary ]]; then
    cargo build --release --locked
    binary=$(target_dir)/release/$name
fi
[[ -x $binary ]] || fail "there is no program $binary"

# A folder as cargo builds into, with what is not in the project as it is in the package.
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir "$stage/release"
install -m 0755 "$binary" "$stage/release/$name"
strip "$stage/release/$name"
# Debian's place for a program is /usr/bin.
sed "s|^ExecStart=/opt/$name/$name\$|ExecStart=/usr/bin/$name|" "deploy/$name.service" >"$stage/release/$name.service"
grep -qx "ExecStart=/usr/bin/$name" "$stage/release/$name.service" || fail "deploy/$name.service starts something else"

mkdir -p "$out"
package=$(CARGO_TARGET_DIR=$stage cargo-deb deb --quiet --no-build --no-strip --output "$out")
say "Made $package"
