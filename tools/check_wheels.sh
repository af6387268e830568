#!/bin/sh
# Build the package as users do and look at what came out: one abi3 wheel with the kernels; without a C compiler a pure
# wheel with the NumPy definitions alone, which says so; and no silent fallback in a release. Takes about two minutes.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone -q "$root" "$work/source" # a clean checkout: nothing that was built before
python3 -m venv "$work/venv"
pip="$work/venv/bin/pip --disable-pip-version-check"

echo "== with a compiler"
MINIPEGASUS_REQUIRE_NATIVE=1 $pip wheel -q --no-deps "$work/source" -w "$work/native"
test "$(basename "$work"/native/*.whl | grep -c 'cp311-abi3')" = 1
$pip install -q "$work"/native/*.whl
(cd "$work" && MINIPEGASUS_OPS=native venv/bin/python -c 'import minipegasus; minipegasus.show_config()')
$pip install -q abi3audit && "$work/venv/bin/abi3audit" --strict "$work"/native/*.whl

echo "== without a compiler"
CC=/nonexistent $pip wheel -v --no-deps "$work/source" -w "$work/pure" >"$work/log" 2>&1
grep 'the kernels could not be compiled' "$work/log"
test "$(basename "$work"/pure/*.whl | grep -c 'py3-none-any')" = 1
$pip install -q --force-reinstall --no-deps "$work"/pure/*.whl
(cd "$work" && venv/bin/python -c 'import minipegasus; minipegasus.show_config()') | tee "$work/shown"
grep -q 'without a C compiler' "$work/shown"

echo "== a release without a compiler"
if CC=/nonexistent MINIPEGASUS_REQUIRE_NATIVE=1 $pip wheel -q --no-deps "$work/source" -w "$work/none" 2>/dev/null; then
    echo "a release fell back silently"
    exit 1
fi
echo "refused, as it must be"
