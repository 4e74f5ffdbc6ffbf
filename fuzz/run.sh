#!/usr/bin/env bash
# Fuzzes the targets one after another and writes logs to fuzz/logs: run.sh SECONDS TARGET… (see docs/fuzzing.md)
# Limits: 10 s for an input, 256 MiB for one allocation, 2 GiB for the process. Targets that run networks have more: ONNX Runtime's
# arena reserves 1.5 GB of address space, and an instrumented inversion takes seconds. A decoded photo may have 512 MiB.
set -uo pipefail
cd "$(dirname "$0")"
export RUSTC_BOOTSTRAP=1 # allows the sanitizer and coverage flags on a stable compiler
seconds=$1
shift
mkdir -p logs
for target in "$@"; do
    case $target in
    bundle_use | paste | c_abi) limits=(-timeout=120 -malloc_limit_mb=2000 -rss_limit_mb=3072) ;;
    gradient) limits=(-timeout=120 -malloc_limit_mb=2000 -rss_limit_mb=4096) ;;
    photo) limits=(-timeout=30 -malloc_limit_mb=520 -rss_limit_mb=2048) ;;
    *) limits=(-timeout=10 -malloc_limit_mb=256 -rss_limit_mb=2048) ;;
    esac
    nice -n 19 cargo fuzz run "$target" -- -max_total_time="$seconds" -max_len=65536 "${limits[@]}" -dict=dictionary.txt \
        -print_final_stats=1 >"logs/$target.log" 2>&1
    echo "$target: exit $?, $(grep -c ^artifact_prefix "logs/$target.log") findings, $(grep number_of_executed "logs/$target.log")"
done
