# ./dev fuzz: the fuzz targets as libFuzzer programs, under AddressSanitizer and UBSan.
# shellcheck shell=bash

readonly FUZZ_SECONDS=60
readonly FUZZ_FOLDER=build-fuzz
# Longer than any input that found something new; more only makes it slow.
readonly FUZZ_INPUT_BYTES_MAX=65536

# fuzz_one TARGET SECONDS: what is new goes into a corpus of its own beside the build; the one under
# version control is only read.
fuzz_one() {
  local target=$1 seconds=$2
  local found=$FUZZ_FOLDER/corpus/$target seeds=tests/fuzz/corpus/$target
  local limit=(-max_total_time="$seconds")
  [[ $seconds != 0 ]] || limit=(-runs=0)
  mkdir -p "$found"
  say "fuzz: $target, $seconds s"
  "$FUZZ_FOLDER/tests/$target" "${limit[@]}" -max_len="$FUZZ_INPUT_BYTES_MAX" -print_final_stats=1 \
    -artifact_prefix="$FUZZ_FOLDER/$target-" "$found" "$seeds"
}

# fuzz_targets [TARGET] [SECONDS]
fuzz_targets() {
  local seconds=$FUZZ_SECONDS target
  local targets=(tests/fuzz/*_fuzz.cc)
  targets=("${targets[@]##*/}")
  targets=("${targets[@]%.cc}")
  if [[ $# -gt 0 && ! $1 =~ ^[0-9]+$ ]]; then
    [[ " ${targets[*]} " == *" $1 "* ]] || die "there is no fuzz target '$1', only: ${targets[*]}"
    targets=("$1")
    shift
  fi
  if [[ $# -gt 0 ]]; then
    [[ $1 =~ ^[0-9]+$ ]] || die "'$1' is no number of seconds"
    seconds=$1
    shift
  fi
  [[ $# == 0 ]] || die "fuzz takes a target and a number of seconds; not '$*'"
  setup build lint
  build_preset fuzz "$FUZZ_FOLDER" "${targets[@]}"
  local failed=()
  export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
  for target in "${targets[@]}"; do
    fuzz_one "$target" "$seconds" || failed+=("$target")
  done
  [[ ${#failed[@]} == 0 ]] || die "fuzz found something: ${failed[*]}; the input is in" \
    "$FUZZ_FOLDER/<target>-crash-*, again with: $FUZZ_FOLDER/tests/<target> <input>"
  say "fuzz: found nothing"
}
