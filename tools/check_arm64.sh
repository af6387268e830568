#!/bin/sh
# Do the kernels give the same bits on arm64? Cross-compile them with Debian's compiler, run them under qemu-user, and
# compare with the recorded hashes (tests/data/kernel_bits.txt), which this machine must give as well.
#
#   tools/check_arm64.sh            compare
#   tools/check_arm64.sh --record   write the hashes of this machine's plain C kernels as the record
#
# Needs: gcc, gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user-static (or qemu-user). Exits with 77 and says so
# where these cannot be had.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
record="$root/tests/data/kernel_bits.txt"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-std=c11 -O2 -ffp-contract=off -fno-math-errno -fno-trapping-math"

build() { # compiler, architecture define, "name:flags" of each instruction set
    compiler=$1 architecture=$2
    shift 2
    objects=""
    for set in "$@"; do
        object="$work/$architecture-${set%%:*}.o"
        # shellcheck disable=SC2086 # flags are words
        "$compiler" $flags ${set#*:} -c "$root/_ext/kernels.c" -o "$object"
        objects="$objects $object"
    done
    # shellcheck disable=SC2086
    "$compiler" $flags -D"$architecture" "$root/tools/kernel_bits.c" "$root/_ext/cpu.c" "$root/_ext/pool.c" \
        "$root/_ext/sinusoids.c" $objects -static -pthread -lm -o "$work/$architecture"
}

compare() { # file, what it is: every line must be in the record, whatever the instruction set
    cut -d' ' -f2- "$1" | sort -u >"$work/found"
    sort -u "$record" >"$work/expected"
    if ! cmp -s "$work/found" "$work/expected"; then
        echo "$2: other bits than recorded:"
        diff "$work/expected" "$work/found" | head -20
        exit 1
    fi
    echo "$2: same bits ($(cut -d' ' -f1 "$1" | sort -u | tr '\n' ' ')$(wc -l <"$1") lines)"
}

if [ "$(uname -m)" = x86_64 ]; then
    build "${CC:-gcc}" MP_X86 base: "avx2:-DMP_AVX2 -mavx2 -mfma -mf16c" \
        "avx512:-DMP_AVX512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c"
    "$work/MP_X86" >"$work/x86.txt"
    if [ "${1:-}" = --record ]; then
        grep -E '^(base|any) ' "$work/x86.txt" | cut -d' ' -f2- >"$record"
    fi
    compare "$work/x86.txt" "this machine"
fi

qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64 || true)
if ! command -v aarch64-linux-gnu-gcc >/dev/null || [ -z "$qemu" ]; then
    echo "SKIPPED: arm64 was not checked; install gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user-static"
    exit 77
fi
build aarch64-linux-gnu-gcc MP_ARM64 base: "neon:-DMP_NEON"
"$qemu" "$work/MP_ARM64" >"$work/arm64.txt"
compare "$work/arm64.txt" "arm64 under qemu"
