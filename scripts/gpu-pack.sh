#!/usr/bin/env bash
# npm run gpu:pack: makes .gpu/, which holds all that a Linux GPU machine without Node and without a network needs to
# check and time this project: a Node binary, the built project with its run-time packages, the Vulkan loader's packages
# where apt has them, and gpu-check.sh. Some 40 MB. Bring the folder there and run `bash .gpu/gpu-check.sh`.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -d dist ] || { echo "no dist: run 'npm run build' first" >&2; exit 1; }
out=$PWD/.gpu
rm -rf "$out"
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bundle=$work/frostline
mkdir "$bundle"
mkdir "$bundle/bench"
cp bench/product.mjs "$bundle/bench"/
cp -r dist bin package.json package-lock.json weights samples "$bundle"/
(cd "$bundle" && npm install --ignore-scripts --omit=dev --no-audit --no-fund >/dev/null)
# Drivers of other systems, the software driver, and what only an editor reads.
rm -rf "$bundle"/node_modules/webgpu/dist/{darwin*,win32*,linux-arm64} "$bundle"/node_modules/@sparticuz
find "$bundle" \( -name '*.map' -o -name '*.d.ts' -o -name '*.md' \) -delete
cp "$(readlink -f "$(command -v node)")" "$bundle/node"
strip "$bundle/node" 2>/dev/null || true
tar -C "$work" -c frostline | xz -6 -T0 >"$out/frostline.tar.xz"
(cd "$out" && apt-get download -qq libvulkan1 libegl1 libglvnd0 libopengl0 libgl1 libglx0 libgles2 2>/dev/null) ||
  echo "no packages of the Vulkan loader: the GPU machine must have libvulkan.so.1"
cp scripts/gpu-check.sh bench/torch_steps.py "$out"/
du -sm "$out"
