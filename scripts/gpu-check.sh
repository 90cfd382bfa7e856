#!/usr/bin/env bash
# npm run gpu:check, or on another machine `bash .gpu/gpu-check.sh [STEPS...]`: what decides on a card. STEPS, in this
# order where none is named: doctor kernels steps half product bench tune torch quick. Each has a limit of time (LIMIT_<STEP> seconds), and
# one that fails does not stop the next. Results go to $OUT (./gpu-results). All of it takes at most ten minutes.
set -u
here=$(cd "$(dirname "$0")" && pwd)
OUT=$(mkdir -p "${OUT:-gpu-results}" && cd "${OUT:-gpu-results}" && pwd)
export FROSTLINE_ADAPTER=${FROSTLINE_ADAPTER:-hardware} XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/tmp}
if [ -f "$here/frostline.tar.xz" ]; then
  # Packed: unpacked beside the temporary files, with the loader where the system has none.
  if ! ldconfig -p | grep -q 'libvulkan\.so\.1'; then
    for package in "$here"/*.deb; do dpkg -x "$package" /; done
    ldconfig
  fi
  # Containers have NVIDIA's manifest here.
  manifest=/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json
  [ -f "$manifest" ] && export VK_DRIVER_FILES=$manifest
  export FROSTLINE_CACHE=${FROSTLINE_CACHE:-/tmp/frostline-cache}
  # By what is in it, so that a newer archive never runs an older tree.
  unpacked=/tmp/frostline-gpu-$(sha256sum <"$here/frostline.tar.xz" | cut -c1-12)
  [ -d "$unpacked/frostline" ] || { mkdir -p "$unpacked" && tar -C "$unpacked" -xJf "$here/frostline.tar.xz"; }
  cd "$unpacked/frostline" || exit 1
  node=./node
  torch=$here/torch_steps.py
else
  cd "$here/.." || exit 1
  node=node
  torch=bench/torch_steps.py
fi
step() { # NAME LIMIT RESULT COMMAND...
  local name=$1 limit=$2 result=$3 variable="LIMIT_${1^^}" start=$SECONDS
  shift 3
  timeout "${!variable:-$limit}" "$@" >"$OUT/$result" 2>"$OUT/$result.err"
  echo "$name: exit $?, $((SECONDS - start)) s, $result"
  tail -n 1 "$OUT/$result.err"
}
frostline() { local name=$1 limit=$2 result=$3; shift 3; step "$name" "$limit" "$result" "$node" bin/frostline.mjs "$@"; }
for name in ${*:-doctor kernels steps half product bench tune torch quick}; do
  case $name in
    doctor) frostline doctor 60 doctor.json doctor --json ;;
    kernels) frostline kernels 120 kernels.txt gradcheck kernels --cases 4 ;;
    steps)
      for network in alexnet vgg16; do
        frostline steps 90 "steps-$network.json" bench steps --networks "$network" --batch 10 --filter none forward \
          --no-first-step --trace "$OUT/trace-$network.json" --json
      done
      ;;
    half) frostline half 90 half.json bench steps --networks vgg16 --batch 10 --filter none --no-first-step --precision f16 --json ;;
    product) step product 90 product.json "$node" bench/product.mjs 4096 ;;
    tune) frostline tune 120 tune.txt tune --networks alexnet --batch 10 --budget 0.5 --export "$OUT/tuned.json" ;;
    bench) frostline bench 90 bench.json bench kernels --networks alexnet --batch 10 --quick --json ;;
    torch) step torch 90 torch.json python3 "$torch" && cat "$OUT/torch.json" ;;
    quick) frostline quick 90 quick.txt sweep quickstart --out "$(mktemp -d)/quick" ;;
    *) echo "no step '$name'; there are doctor kernels steps half product bench tune torch quick" >&2 ;;
  esac
done
find "$OUT" -name '*.err' -empty -delete
