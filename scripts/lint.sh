# ./dev lint. Runs all four checks, also after one failed, and says at the end which did.
# shellcheck shell=bash

check_format() {
  cpp_sources | xargs -0 -r clang-format-19 --dry-run -Werror
}

# One source, or one batch of them. clang-tidy counts what it has suppressed in the system's headers
# ("4711 warnings generated."); that line is dropped, findings and result are not.
tidy_source() {
  set -o pipefail
  clang-tidy-19 -p build --quiet "$1" 2>&1 | sed -E '/^[0-9]+ warnings? generated\.$/d'
}

# Only what runs in production: the tests would double the time and find little. In the batches in
# which it is built, as most of the time goes into the headers of others. Our headers are checked
# with the sources that include them (.clang-tidy).
check_tidy() {
  # The sources include generated headers.
  build_preset release build pingti_proto pingti_rich_errors
  local sources
  sources=$(sed -nE "s#^  \"file\": \"($ROOT/(build/)?(server|client)/.*)\",?\$#\1#p" \
    build/compile_commands.json)
  [[ -n $sources ]] || die "build/compile_commands.json names no source of server/ or client/"
  export -f tidy_source
  # shellcheck disable=SC2016
  printf '%s\n' "$sources" | tr '\n' '\0' |
    xargs -0 -r -n 1 -P "${JOBS:-$(compile_jobs)}" bash -c 'tidy_source "$1"' tidy
}

check_proto() {
  node_packages scripts/lint
  # The package of this machine's processor is the only one that npm has installed.
  local buf=(scripts/lint/node_modules/@bufbuild/buf-linux-*/bin/buf)
  (cd proto && "../${buf[0]}" lint)
}

# Every file that starts as a shell script, and what ./dev sources.
check_scripts() {
  {
    git grep -lzE '^#!.*[/ ](ba)?sh$' -- ':!*.md'
    printf '%s\0' scripts/*.sh
  } | xargs -0 -r shellcheck -x
}

lint_all() {
  setup build lint
  local check failed=()
  for check in check_format check_scripts check_proto check_tidy; do
    say "lint: $check"
    # In a shell of its own with errexit, which bash turns off inside a condition.
    local result=0
    set +e
    (
      set -e
      "$check"
    )
    result=$?
    set -e
    [[ $result == 0 ]] || failed+=("$check")
  done
  [[ ${#failed[@]} == 0 ]] || die "lint failed: ${failed[*]}"
  say "lint: nothing to complain about"
}
