#!/usr/bin/env bash
# Builds std for wasm32-unknown-unknown from Debian's rustc-web and rust-web-src, unpacked under DIR: nothing is installed, no root needed.
# Prints the compiler to use for guests, then directories that must be on PATH for its linker, a line each. Messages go to stderr.
set -euo pipefail
target=wasm32-unknown-unknown
dir=$(realpath -m "$1")
sysroot=$(rustc --print sysroot)
host=$(rustc -vV | sed -n 's/^host: //p')
if [ ! -e "$dir/ok" ]; then
  command -v apt-get >/dev/null || { echo "there is no apt-get here" >&2; exit 1; }
  rm -rf "$dir"; mkdir -p "$dir"/{debs,lists}/partial "$dir/root"
  apt() {
    apt-get -qq -o Dir::Cache::archives="$dir/debs" -o Dir::State::Lists="$dir/lists" \
      -o Debug::NoLocking=1 -o APT::Sandbox::User="$(id -un)" "$@" >&2
  }
  apt update
  apt -y --no-install-recommends --download-only install rustc-web rust-web-src
  for deb in "$dir"/debs/*.deb; do
    case $deb in
      */rust-web-src_*) dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$dir/root" --wildcards './usr/src/rustc-*/library' ;;
      *) dpkg -x "$deb" "$dir/root" ;;
    esac
  done
  printf '#!/bin/sh\nexport LD_LIBRARY_PATH=%s${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\nexec %s "$@"\n' \
    "$dir/root/usr/lib/$(uname -m)-linux-gnu" "$dir/root/usr/bin/rustc" >"$dir/rustc"
  chmod +x "$dir/rustc"
  (cd "$dir"/root/usr/src/rustc-*/library
   RUSTC=$dir/rustc RUSTC_BOOTSTRAP=1 __CARGO_DEFAULT_LIB_METADATA=stablestd \
   RUSTFLAGS="-Zforce-unstable-if-unmarked -Cembed-bitcode=yes" \
   cargo build -q --locked --release --target "$target" --target-dir "$dir/std" --manifest-path sysroot/Cargo.toml \
     --config profile.release.debug=0 >&2)
  mkdir -p "$dir/root/usr/lib/rustlib/$target/lib"
  cp "$dir/std/$target"/release/deps/*.rlib "$dir/root/usr/lib/rustlib/$target/lib/"
  rm -rf "$dir"/{debs,lists,std} "$dir/root/usr/src"
  touch "$dir/ok"
fi
bin=$sysroot/lib/rustlib/$host/bin
printf '%s\n' "$dir/rustc" "$bin" "$bin/gcc-ld"
