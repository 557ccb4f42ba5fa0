#!/usr/bin/env bash
# Proves and measures a bundle on the machine it was unpacked on; see README.txt beside it.
#   ./check.sh [--no-gpu]
# Every check runs, whatever failed before. One table at the end; the output of each is in logs/.
set -uo pipefail
cd "$(dirname "$0")" || exit 1
gpu=true
case "${1:-}" in
    "") ;;
    --no-gpu) gpu=false ;;
    *) echo "usage: ./check.sh [--no-gpu]" >&2; exit 2 ;;
esac
mkdir -p logs
rm -rf logs/*
# Nothing is written outside this folder; kernels come from cubins/, or the first run compiles them.
export INVNET_CACHE="$PWD/cache" CRITERION_HOME="$PWD/logs/criterion"
# Where the toolkit puts compute-sanitizer.
PATH=$PATH:/usr/local/cuda/bin
rows=()
failed=0

# check NAME LIMIT COMMAND...: runs it for at most so many seconds, output to logs/NAME.log.
check() {
    local name=$1 limit=$2 began=$SECONDS result status
    shift 2
    printf '%s ... ' "$name" >&2
    timeout --kill-after=10 "$limit" "$@" > "logs/$name.log" 2>&1 < /dev/null
    status=$?
    case $status in
        0) result=ok ;;
        124 | 137) result="FAILED: longer than $limit s" ;;
        *) result="FAILED: exit $status" ;;
    esac
    # A filter that matches no test would pass.
    if grep -q '^running 0 tests' "logs/$name.log"; then result="FAILED: no test ran"; fi
    case $result in FAILED*) failed=1 ;; esac
    note "$name" "$result" $((SECONDS - began))
}

# One row of the table; a time found in the log joins its result.
note() {
    local figure
    figure=$(sed -n 's/.*"ms_iteration":\([0-9]*\.\{0,1\}[0-9]\{0,3\}\).*/, \1 ms an iteration/p' "logs/$1.log" 2>/dev/null | tail -1)
    rows+=("$(printf '%-30s %8s  %s' "$1" "$3" "$2$figure")")
    echo "$2" >&2
}

skip() {
    printf '%s ... ' "$1" >&2
    note "$1" "skipped: $2" 0
}

# The test of graphs in tests/plan and the module of tests/learn that use the kernels.
kernel_tests() { # PREFIX LIMIT
    # One at a time: what one thread waits for must not fall into what another captures.
    check "$1-parity" "$2" ./tests/parity --test-threads 1
    check "$1-tensor-cores" "$2" ./tests/tensor_cores --test-threads 1 rounding biases exact
    # The same with the tiles that a card of four multiprocessors would get, and with a large one's.
    INVNET_TEST_MULTIPROCESSORS=4 check "$1-tensor-cores-4" "$2" ./tests/tensor_cores --test-threads 1 rounding
    INVNET_TEST_MULTIPROCESSORS=132 check "$1-tensor-cores-132" "$2" ./tests/tensor_cores --test-threads 1 rounding
    check "$1-plan" "$2" ./tests/plan --test-threads 1 on_the_kernels
    check "$1-learn" "$2" ./tests/learn --test-threads 1 kernels::
}

bench_step() { # DEVICE SIZE WIDTH BATCH PRECISION
    check "step-$1-$2-$3-$4-$5" 600 \
        ./invnet bench step --device "$1" --size "$2" --width "$3" --batch "$4" --precision "$5" --json
}

train() { # DEVICE ARGUMENTS...
    local device=$1
    shift
    check "train-$device" 900 ./invnet train circles-quick --device "$device" --out "logs/run-$device" --overwrite "$@"
}

# Kernels that begin while those before them run compute the same bits as one after the other: one that did not wait
# would read what is not written yet.
early() {
    local pdl
    for pdl in 0 1; do
        INVNET_PDL=$pdl check "early-$pdl" 300 ./invnet train circles-quick --device cuda --iterations 60 \
            --set precision=bf16 --set images=1000 --set eval_samples=20 --out "logs/run-early-$pdl" --overwrite
    done
    check early-same 10 cmp logs/run-early-0/checkpoint.safetensors logs/run-early-1/checkpoint.safetensors
}

sanitize() { # TOOL
    # Instrumented kernels run tens of times slower: some families, and one captured step.
    local tool=(compute-sanitizer --tool "$1" --error-exitcode 99)
    # What compute-sanitizer itself refuses to do (a call that fails by design) is not an error here.
    if [ "$1" = memcheck ]; then tool+=(--report-api-errors no); fi
    check "$1-parity" 1200 "${tool[@]}" ./tests/parity --test-threads 1 pixelwise moments normalisation sums
    check "$1-products" 1800 "${tool[@]}" ./tests/parity --test-threads 1 products convolutions
    check "$1-tensor-cores" 1800 "${tool[@]}" ./tests/tensor_cores --test-threads 1 matrix_products
    if [ "$1" = memcheck ]; then
        # An iteration of the paper's size, on an H100 a minute in bf16 and in tf32; racecheck of one has not been seen to end.
        for precision in fp32 tf32 bf16; do
            INVNET_GRAPHS=0 check "$1-iteration-$precision" 600 "${tool[@]}" ./invnet train circles --device cuda \
                --iterations 1 --set batch=64 --set images=100 --set eval_samples=4 --set "precision=$precision" \
                --out "logs/run-$1-$precision" --overwrite
        done
    fi
    check "$1-updates" 600 "${tool[@]}" ./tests/parity --test-threads 1 updates_in_place
    check "$1-plan" 600 "${tool[@]}" ./tests/plan on_the_kernels
}

peer() {
    if ! command -v python3 >/dev/null || ! python3 -c 'import torch' 2>/dev/null; then
        skip peer "no python3 with torch"
    else
        check peer 1800 python3 peer.py "$@"
    fi
}

check devices 120 ./invnet devices
if $gpu; then
    # `devices` reports; it does not fail where there is nothing.
    if ! grep -q '^cuda:0 .*  usable$' logs/devices.log; then
        cat logs/devices.log
        rows+=("$(printf '%-30s %8s  %s' cuda 0 "FAILED: cuda:0 is not usable")")
        failed=1
    fi
    export INVNET_TEST_DEVICE=cuda
    kernel_tests cuda 900
    early
    if command -v compute-sanitizer >/dev/null; then
        sanitize memcheck
        sanitize racecheck
    else
        skip memcheck "no compute-sanitizer"
        skip racecheck "no compute-sanitizer"
    fi
    unset INVNET_TEST_DEVICE
fi
check gradcheck 600 ./invnet gradcheck fixtures
if ! $gpu; then
    kernel_tests simt 900
    check cpu-plan 600 ./tests/plan
fi
for bench in benches/*; do
    # A machine without a GPU only shows that they run.
    if $gpu; then check "bench-${bench#benches/}" 900 "$bench" --bench --quick --noplot
    else check "bench-${bench#benches/}" 900 "$bench" --test; fi
done
if $gpu; then
    for batch in 32 64; do
        for precision in fp32 tf32 bf16; do
            bench_step cuda 128 64 "$batch" "$precision"
        done
    done
    train cuda
    peer --device cuda --size 128 --width 64 --batch 32
else
    bench_step cpu 32 16 32 fp32
    bench_step simt 16 4 2 bf16
    train cpu --iterations 60 --set eval_samples=50 --set images=1000
    train simt --iterations 2 --set size=16 --set width=2 --set batch=4 --set images=50 --set eval_samples=20
    peer --size 32 --width 16 --iterations 1
fi

{
    echo
    printf '%-30s %8s  %s\n' check seconds result
    printf '%s\n' "${rows[@]}"
} | tee logs/table.txt
if [ $failed -ne 0 ]; then echo "something failed: see logs/" >&2; fi
exit $failed
