#!/usr/bin/env bash
# Checks gani on a GPU within eight minutes, and writes a report.
#
#   bench/gpu.sh [OUT]        default: out/gpu
#
# Set ORT_DYLIB_PATH to a CUDA build of ONNX Runtime, as in docs/cuda.md. Variables with their defaults:
#
#   GANI=target/release/gani               the program
#   GANI_BENCH=target/release/gani-bench   the program of bench/; without it the rows beside PyTorch are left out
#   PYTHON=python3                         with numpy; with PyTorch for the rows beside it
#   MODEL=ffhq-1024                        a bundle's name or folder
#   PHOTO=tests/data/astronaut.png
#   DEVICE=cuda                            `cpu` tries the script itself where there is no GPU
#   BUDGET=480                             seconds for everything; a part that does not fit is skipped
#
# A part that fails does not stop the others. OUT/report.md lists all parts; OUT/NAME.log is the output of a part. The exit code is the
# number of parts that failed or were skipped.
set -uo pipefail
cd "$(dirname "$0")/.."

out=${1:-out/gpu}
gani=${GANI:-target/release/gani}
gani_bench=${GANI_BENCH:-target/release/gani-bench}
python=${PYTHON:-python3}
model=${MODEL:-ffhq-1024}
photo=${PHOTO:-tests/data/astronaut.png}
device=${DEVICE:-cuda}
budget=${BUDGET:-480}

mkdir -p "$out"
report=$out/report.md
failed=0
# An empty cache: every inversion is computed.
export XDG_CACHE_HOME
XDG_CACHE_HOME=$(mktemp -d)
trap 'rm -rf "$XDG_CACHE_HOME"; [ -z "${sampler:-}" ] || kill "$sampler" 2>/dev/null' EXIT

# part NAME SECONDS COMMAND…: runs a command, for at most SECONDS.
part() {
    local name=$1 limit=$2 started=$SECONDS status
    shift 2
    local left=$((budget - SECONDS))
    if [ "$left" -lt 10 ]; then
        printf -- '- **%s**: skipped, the time is over\n' "$name" >>"$report"
        failed=$((failed + 1))
        return 1
    fi
    timeout "$((limit < left ? limit : left))" "$@" >"$out/$name.log" 2>"$out/$name.err"
    status=$?
    if [ "$status" -eq 0 ]; then
        printf -- '- %s: %d s\n' "$name" "$((SECONDS - started))" >>"$report"
    else
        printf -- '- **%s**: exit code %d after %d s; the end of its messages:\n\n' "$name" "$status" "$((SECONDS - started))" >>"$report"
        tail -n 15 "$out/$name.err" | sed 's/^/      /' >>"$report"
        printf '\n' >>"$report"
        failed=$((failed + 1))
    fi
    return "$status"
}

# Memory of the card in MiB, five times a second.
if [ "$device" = cuda ] && command -v nvidia-smi >/dev/null; then
    card=$(nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader | head -1)
    nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits --loop-ms=200 >"$out/memory.txt" 2>/dev/null &
    sampler=$!
fi
printf '# gani on %s\n\n%s, %s, device %s, %s\n\n' \
    "${card:-$(uname -m), no GPU}" "$("$gani" --version)" "$model" "$device" "$(date -u +%F)" >"$report"

common=(--model "$model" --preset fast --json --force)
part doctor 60 "$gani" doctor --device "$device" --json
part invert-device 180 "$gani" invert "$photo" "${common[@]}" --device "$device" -o "$out/device"
part invert-cpu 240 "$gani" invert "$photo" "${common[@]}" --device cpu -o "$out/cpu"
part bench-device 90 "$gani" bench --model "$model" --device "$device" --json
part bench-cpu 90 "$gani" bench --model "$model" --device cpu --json
name=$(basename "${photo%.*}")
for side in device cpu; do
    [ -f "$out/$side/$name.safetensors" ] && "$gani" inspect "$out/$side/$name.safetensors" --json >"$out/inspect-$side.json"
done
part compare 30 "$python" bench/gpu_report.py "$out"
[ -f "$out/compare.log" ] && { printf '\n'; cat "$out/compare.log"; } >>"$report"

if [ -x "$gani_bench" ] && "$python" -c 'import torch' 2>/dev/null; then
    bundle=$("$gani" models list --json | "$python" -c \
        'import json, sys; print(next(m["folder"] for m in json.load(sys.stdin)["models"] if m["name"] == sys.argv[1]))' "$model")
    part pytorch 200 "$python" bench/run.py --device "$device" --program "$gani_bench" --gani "$gani" --bundle "$bundle" \
        --out "$out/pytorch" --parts gradient gani direct --peers PyTorch --only mobile 256 1024
    [ -f "$out/pytorch/table.md" ] && { printf '\n'; cat "$out/pytorch/table.md"; } >>"$report"
else
    printf -- '- beside PyTorch: left out, without %s or PyTorch\n' "$gani_bench" >>"$report"
fi
cat "$report"
exit "$failed"
