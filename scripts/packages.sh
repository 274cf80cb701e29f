# What Pingti needs from Debian and from npm, why, and how it gets here. Sourced by ./dev.
# shellcheck shell=bash

# group | Debian package | why it is needed
readonly PACKAGES='
build|build-essential|g++ 12 and the C library headers
build|cmake|configures the build
build|ninja-build|runs the build
build|pkg-config|finds libevent
build|ccache|compiles nothing twice
build|mold|links in a second instead of ten
build|libgrpc++-dev|gRPC, in which Pingti is called
build|libgrpc-dev|its core, with what its CMake files look for (c-ares, RE2)
build|libprotobuf-dev|protobuf, the messages
build|libprotoc-dev|headers that its CMake files name
build|protobuf-compiler|generates the message classes
build|protobuf-compiler-grpc|generates the service stubs
build|libabsl-dev|abseil: status, time, strings, containers
build|libcurl4-openssl-dev|HTTP to the providers
build|libevent-dev|event loop of each worker
build|libsimdjson-dev|reads JSON
build|rapidjson-dev|writes JSON
build|libhiredis-dev|speaks to Redis
build|libsoci-dev|speaks SQL to SQLite and PostgreSQL
build|libboost-dev|headers that those of SOCI include
build|libsqlite3-dev|the ledger of one process
build|libpq-dev|the ledger that many replicas share
build|libyaml-cpp-dev|reads the configuration
build|prometheus-cpp-dev|serves the metrics
build|libcli11-dev|command-line flags
build|libjemalloc-dev|memory allocator of the server
build|libssl-dev|hashes API keys; TLS in the provider that the tests simulate
build|zlib1g-dev|compressed answers; needed by gRPC and prometheus-cpp
build|libgtest-dev|unit tests
build|libgmock-dev|matchers of the unit tests
build|librapidcheck-dev|property tests
build|libnghttp2-dev|HTTP/2 in the provider that the tests simulate
build|libbenchmark-dev|micro-benchmarks
build|python3|CMake looks for it to declare the tests that are written in it
build|ca-certificates|trust for TLS to the providers
build|curl|looks at /metrics, and whether a local model is there
test|python3-venv|validators of the Kubernetes manifests, in an environment of their own
test|python3-grpcio|a gRPC client that nobody here wrote
test|nodejs|another such client, and buf
test|npm|fetches its packages
test|prometheus|promtool, and a Prometheus that the tests of the dashboard query
test|kubernetes-client|renders the Kubernetes manifests (kubectl kustomize)
test|redis-server|a Redis that the tests start themselves
test|postgresql|a PostgreSQL that the tests start themselves
test|nginx-light|what the benchmark compares with
lint|clang-19|the second compiler
lint|clang-tidy-19|static checks
lint|clang-format-19|the format of the sources
lint|libclang-rt-19-dev|sanitizers and libFuzzer for it
lint|shellcheck|checks the scripts
lint|nodejs|runs buf, which checks the protocol
lint|npm|fetches buf
local-model|python3-venv|a Python environment of its own for the local model
'

packages_installed=  # whether setup installed some: CMake then has to look again

# as_root COMMAND...: as root, through sudo where we are not root.
as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo -- "$@"
  else
    die "needs root for: $*
dev: run it as root, or install sudo"
  fi
}

# The lines of the table for the given groups that are not installed: `package|why`.
missing_packages() {
  local group package why installed
  local -a wanted=()
  local -A reason=()
  while IFS='|' read -r group package why; do
    [[ -n $group && " $* " == *" $group "* ]] || continue
    # Node and kubectl may come from elsewhere, and then Debian's would only be in their way.
    case $package in
      nodejs) command -v node >/dev/null && continue ;;
      npm) command -v npm >/dev/null && continue ;;
      kubernetes-client) command -v kubectl >/dev/null && continue ;;
    esac
    wanted+=("$package")
    reason[$package]=$why
  done <<<"$PACKAGES"
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null) ||
    true # it says so when it knows none of a package
  for package in "${!reason[@]}"; do
    grep -qx -- "$package installed" <<<"$installed" || echo "$package|${reason[$package]}"
  done | sort
}

# setup GROUP...: installs what is missing of the groups; one line when nothing is.
setup() {
  # shellcheck disable=SC2048,SC2086  # "build test lint" in one word is three groups
  set -- $*
  local group
  for group in "$@"; do
    grep -q "^$group|" <<<"$PACKAGES" || die "there is no package group '$group'"
  done
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "this is not Debian: going on with what is installed (needed: scripts/packages.sh)"
    return
  fi
  local missing package why
  missing=$(missing_packages "$@")
  if [[ -z $missing ]]; then
    say "packages for $* are there"
    return
  fi
  say "installing Debian packages for $*:"
  local -a packages=()
  while IFS='|' read -r package why; do
    printf '       %-24s %s\n' "$package" "$why" >&2
    packages+=("$package")
  done <<<"$missing"
  install_packages "${packages[@]}"
}

install_packages() {
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300
    -o Acquire::Retries=3)
  local package try
  for try in 1 2 3; do  # a mirror does not always answer
    as_root "${apt[@]}" update >&2 && break
    [[ $try != 3 ]] || say "apt-get update failed; trying with the lists of before"
  done
  for package in "$@"; do
    [[ -n $(apt-cache madison "$package" 2>/dev/null) ]] ||
      die "apt knows no package '$package'. Pingti needs Debian 12 (with bookworm-updates and
dev: bookworm-security for clang 19) or a release with the same packages, see /etc/apt"
  done
  # Prometheus, nginx and Redis are started by our tests on ports of their own: Debian's services
  # stay off.
  local policy=/usr/sbin/policy-rc.d ours=
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    ours=yes
  fi
  local result=0
  as_root "${apt[@]}" install -y --no-install-recommends "$@" >&2 || result=$?
  [[ -z $ours ]] || as_root rm -f "$policy"
  [[ $result == 0 ]] || die "apt-get could not install: $*"
  # shellcheck disable=SC2034  # scripts/build.sh reads it
  packages_installed=yes
  local service
  for service in prometheus nginx redis-server; do
    if [[ " $* " == *" $service"* ]] && [[ -d /run/systemd/system ]]; then
      as_root systemctl disable --quiet "$service" || true
    fi
  done
}

# node_packages FOLDER: `npm ci` there when its lock file changed since the last time. Nothing to do
# without a package.json.
node_packages() {
  local folder=$1
  [[ -f $folder/package.json ]] || return 0
  if [[ $folder/node_modules/.package-lock.json -nt $folder/package-lock.json ]]; then
    return 0
  fi
  say "fetching the Node packages of $folder"
  local _
  for _ in 1 2 3; do  # a registry does not always answer
    if (cd -- "$folder" && npm ci --no-audit --no-fund --loglevel=error >&2); then
      return 0
    fi
  done
  return 1
}
