#!/bin/sh
# Builds vmaf, the program of libvmaf, into a folder: one file, with its models in it and no library
# beside it. Run by Dockerfile.worker, and for the integration tests by tests/cluster/vmaf.py.
#
#   build_vmaf.sh FOLDER        needs a C++ compiler, meson, ninja, python3, xxd, and nasm on x86-64
set -eu

# The crate carries libvmaf 2.3.1 whole. What else there is, and why this: docs/decisions/0025.
crate=libvmaf-sys-0.4.4
sha256=8b053ec5f32c6ba5ae9a51d2bbef0abd35e34033ad83c7b331bfec3e04df79a6

mkdir -p "$1"
folder=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -c '
import sys, urllib.request
urllib.request.urlretrieve(f"https://static.crates.io/crates/libvmaf-sys/{sys.argv[1]}.crate", "crate")
' "$crate"
echo "$sha256  crate" | sha256sum --check --quiet
tar --extract --file crate
# GCC 14 refuses what older ones let pass: vectors loaded through pointers to vectors of another kind.
meson setup build "$crate/vmaf/libvmaf" --buildtype release --default-library static \
  -Denable_tests=false -Denable_docs=false -Dc_link_args=-static -Dcpp_link_args=-static \
  -Dc_args='-w -Wno-error=incompatible-pointer-types' -Dcpp_args=-w
ninja -C build --quiet tools/vmaf
cp "$crate/vmaf/LICENSE" "$folder/LICENSE.vmaf"
strip -o "$folder/vmaf" build/tools/vmaf
