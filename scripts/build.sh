# Configures and compiles. Sourced by ./dev.
# shellcheck shell=bash

# How many compilers may run: one a core, but no more than memory carries. A source that includes
# gRPC takes up to 1 GB; a container may have less of both than its machine.
compile_jobs() {
  local cores memory_kb cgroup by_memory
  cores=$(nproc)
  memory_kb=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
  cgroup=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
  if [[ $cgroup != max ]] && ((cgroup / 1024 < memory_kb)); then
    memory_kb=$((cgroup / 1024))
  fi
  by_memory=$((memory_kb / 1024 / 1024))
  ((by_memory >= 1)) || by_memory=1
  echo $((cores < by_memory ? cores : by_memory))
}

# configure PRESET FOLDER: only when it was not, or when the presets or Debian's packages changed;
# Ninja sees the rest.
configure() {
  local preset=$1 folder=$2
  if [[ ! -f $folder/build.ninja || CMakePresets.json -nt $folder/build.ninja ||
    -n $packages_installed ]]; then
    cmake --preset "$preset" >&2
    touch "$folder/build.ninja"
  fi
}

# build_preset PRESET FOLDER [TARGET...]: nothing with PINGTI_SKIP_BUILD, which is set for what runs
# beside others (.ci/run, tests that ctest runs): all is built then, and two Ninjas in one folder
# would destroy each other's work.
build_preset() {
  local preset=$1 folder=$2
  shift 2
  [[ -z ${PINGTI_SKIP_BUILD:-} ]] || return 0
  configure "$preset" "$folder"
  ninja -C "$folder" -j "${JOBS:-$(compile_jobs)}" "$@" >&2
}

# The C++ sources under version control or about to be, NUL after each.
cpp_sources() {
  git ls-files -z --cached --others --exclude-standard -- '*.h' '*.cc' |
    while IFS= read -r -d '' file; do
      [[ ! -f $file ]] || printf '%s\0' "$file"
    done
}
