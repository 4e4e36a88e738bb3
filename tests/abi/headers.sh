#!/usr/bin/env bash
# Each public header compiles alone, without a warning, as C11 and as C++17, with gcc and
# (where it is installed) clang.
set -u
cd "$(dirname "$0")/../.." || exit 1
passed=0 failed=0
compile() {
    local compiler=$1 language=$2 standard=$3 header=$4
    if printf '#include <zenith-sync/%s>\n' "$header" |
        "$compiler" -x "$language" -std="$standard" -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
            -Werror -Iplugin/include -fsyntax-only -; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $header alone with $compiler as $standard"
    fi
}
for header in types.h store.h host.h transport.h; do
    compile gcc c c11 $header
    compile g++ c++ c++17 $header
    command -v clang >/dev/null && compile clang c c11 $header
    command -v clang++ >/dev/null && compile clang++ c++ c++17 $header
done
echo "abi/headers: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
