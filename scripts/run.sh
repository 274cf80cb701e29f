# ./dev run: Pingti on this machine, with whatever it needs beside it. Sourced by ./dev.
# shellcheck shell=bash

# shellcheck source=scripts/local_model.sh
source scripts/local_model.sh

# Environment variable of a provider's key = the provider's name, as people know it.
readonly PROVIDER_KEYS='OPENAI_API_KEY=OpenAI YI_API_KEY=Yi DEEPSEEK_API_KEY=DeepSeek
DASHSCOPE_API_KEY=Qwen MOONSHOT_API_KEY=Moonshot ZHIPU_API_KEY=Zhipu'

readonly DEFAULT_GRPC=127.0.0.1:50051  # of config/pingti.yaml and of pingti

readonly START_SECONDS_MAX=30   # for the simulated provider and for the server, each
readonly DRAIN_SECONDS_MAX=120  # longer than the server's own grace period; then it is killed

# Where `pingti` looks for a key, too.
key_folder=${XDG_CONFIG_HOME:-${HOME:-/root}/.config}/pingti
# Of the ledger, where the caller names no other.
state_folder=${XDG_STATE_HOME:-${HOME:-/root}/.local/state}/pingti
children=()        # what we started and have to stop, in the order of starting
run_folder=        # files of this run; removed at the end
started=           # process id of what start() started last
server=            # process id of pingti-server
stop_timer=        # of the sleep that ends a drain without end
new_key=           # the development key, when this start made it
provider_note=()   # what the banner says about where answers come from

# start LOG COMMAND...: in the background, in a session of its own, so that Ctrl-C reaches only this
# script, which then stops things in the right order; should this script be killed, the kernel ends
# what it started. LOG - is the terminal. The id is left in `started`.
start() {
  local log=$1
  shift
  if [[ $log == - ]]; then
    setsid setpriv --pdeathsig TERM "$@" &
  else
    setsid setpriv --pdeathsig TERM "$@" >"$log" 2>&1 &
  fi
  started=$!
  children+=("$started")
}

alive() { kill -0 "$1" 2>/dev/null; }

# wait_until SECONDS PID COMMAND...: until COMMAND succeeds. Fails after SECONDS or when PID ends.
wait_until() {
  local until=$((SECONDS + $1)) pid=$2
  shift 2
  while ! "$@"; do
    alive "$pid" && ((SECONDS < until)) || return 1
    sleep 0.1
  done
}

# listens PID PORT: whether that process, and not another one, has this TCP port open.
listens() {
  local inode port
  port=$(printf ':%04X$' "$2")
  while read -r inode; do
    [[ -z $(find "/proc/$1/fd" -lname "socket:\[$inode\]" 2>/dev/null) ]] || return 0
  done < <(awk -v "port=$port" '$4 == "0A" && $2 ~ port { print $10 }' /proc/net/tcp /proc/net/tcp6)
  return 1
}

# First Ctrl-C: let the server drain; the next: end it now.
on_signal() {
  [[ -n $server ]] || exit 130
  if [[ -z $stop_timer ]]; then
    say "draining; once more to stop at once"
    kill -TERM "$server" 2>/dev/null || true
    sleep "$DRAIN_SECONDS_MAX" &
    stop_timer=$!
  else
    kill -KILL "$server" 2>/dev/null || true
  fi
}

# Runs however the script ends: nothing that it started stays behind.
stop_all() {
  trap '' INT TERM HUP
  local pid
  [[ -z $stop_timer ]] || kill "$stop_timer" 2>/dev/null || true
  for pid in "${children[@]}"; do
    kill -TERM "$pid" 2>/dev/null || true
  done
  for pid in "${children[@]}"; do
    wait_until 5 "$pid" false || true
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  [[ -z $run_folder ]] || rm -rf "$run_folder"
}

# keep_key NAME RECORD VARIABLE: a key for development, made once and kept in the file NAME, where
# `pingti` looks for it. The server gets only its record, which has the hash, in VARIABLE. A key
# that was made now is left in `new_key`.
keep_key() {
  local folder=$key_folder output record
  new_key=
  if [[ ! -f $folder/$1 ]]; then
    output=$(build/bin/pingti-server --make-key)
    new_key=$(sed -n 's/^key: //p' <<<"$output")
    record=$(sed -n 's/^record: //p' <<<"$output")
    [[ $new_key == pt_* && $record == pt_*:* ]] || die "pingti-server --make-key said: $output"
    mkdir -p -- "$folder"
    chmod 700 -- "$folder"
    # The key last: where there is a key that we made, there is its record.
    (
      umask 077
      printf '%s\n' "$record" >"$folder/$2"
      printf '%s\n' "$new_key" >"$folder/$1.new"
    )
    mv -- "$folder/$1.new" "$folder/$1"
  fi
  if [[ -f $folder/$2 ]]; then
    export "$3=$(<"$folder/$2")"
  else
    say "$folder/$1 was not made here: the server knows it only if your configuration does"
  fi
}

# The keys of the development tenant and of the administrator.
development_keys() {
  keep_key admin-key development-admin.record PINGTI_DEVELOPMENT_ADMIN_KEY_RECORD
  keep_key key development.record PINGTI_DEVELOPMENT_KEY_RECORD
}

start_simulated_provider() {
  local port_file=$run_folder/port log=$run_folder/simulated-provider.log
  start "$log" build/bin/simulated-provider --port 0 --port-file "$port_file"
  if ! wait_until "$START_SECONDS_MAX" "$started" test -s "$port_file"; then
    cat "$log" >&2
    die "the simulated provider does not start"
  fi
  PINGTI_SIMULATED_PROVIDER_URL=http://127.0.0.1:$(<"$port_file")/v1
  export PINGTI_SIMULATED_PROVIDER_URL
  provider_note=("SIMULATED: there is no provider's key in the environment, so the answers are made"
    "up by a simulated provider on this machine; no model is behind them. For real ones"
    "set e.g. YI_API_KEY or OPENAI_API_KEY, or use ./dev run --local-model")
}

# choose_providers LOCAL_MODEL: the providers whose keys are there, else a stand-in.
choose_providers() {
  local entry names=()
  for entry in $PROVIDER_KEYS; do
    local variable=${entry%%=*}
    [[ -z ${!variable:-} ]] || names+=("${entry#*=}")
  done
  if [[ -n $1 ]]; then
    start_local_model "$run_folder/local-model.log"
    provider_note=("the local model $PINGTI_LOCAL_MODEL_NAME: real, but very small")
    [[ ${#names[@]} == 0 ]] || provider_note+=("and ${names[*]}, by the keys in the environment")
  elif [[ ${#names[@]} -gt 0 ]]; then
    provider_note=("${names[*]} (by the keys in the environment)")
  else
    start_simulated_provider
  fi
}

# flag_value NAME DEFAULT FLAG...: the value that the server's flags give NAME.
flag_value() {
  local name=$1 value=$2
  shift 2
  while [[ $# -gt 0 ]]; do
    case $1 in
      "$name") value=${2:-} ;;
      "$name"=*) value=${1#*=} ;;
    esac
    shift
  done
  echo "$value"
}

# banner GRPC METRICS LEDGER
banner() {
  local target=
  [[ $1 == "$DEFAULT_GRPC" ]] || target="PINGTI_TARGET=$1 "
  {
    printf '\nPingti serves.\n'
    printf '  gRPC       %s\n' "$1"
    printf '  metrics    http://%s/metrics\n' "$2"
    printf '  answers    %s\n' "${provider_note[0]}"
    [[ ${#provider_note[@]} == 1 ]] || printf '             %s\n' "${provider_note[@]:1}"
    if [[ -n $new_key ]]; then
      printf '  your key   %s\n' "$new_key"
      printf '             (shown once; kept in %s)\n' "$key_folder/key"
    fi
    printf '  ledger     %s\n' "${3:-where your configuration says}"
    printf '  try next   %sbuild/bin/pingti chat "say hello in Chinese"\n' "$target"
    printf '             %sbuild/bin/pingti balance\n' "$target"
    printf '  Ctrl-C drains and stops everything.\n\n'
  } >&2
}

# start_server FLAG...: and the banner once it serves. That it listens can be seen only where its
# addresses are known: not with a configuration of the caller's own, not with port 0.
start_server() {
  local grpc metrics config
  grpc=$(flag_value --grpc "$DEFAULT_GRPC" "$@")
  metrics=$(flag_value --metrics 127.0.0.1:9464 "$@")
  config=$(flag_value --config '' "$@")
  local ledger
  ledger=$(flag_value --data-dir '' "$@")
  if [[ -z $config ]]; then
    set -- --config config/pingti.yaml "$@"
    if [[ -z $ledger && -z ${PINGTI_DATABASE:-} ]]; then
      ledger=$state_folder
      mkdir -p -- "$ledger"
      chmod 700 -- "$ledger"
      set -- --data-dir "$ledger" "$@"
    fi
  fi
  start - build/bin/pingti-server "$@"
  server=$started
  local port=${grpc##*:}
  if [[ -z $config && $port =~ ^[1-9][0-9]*$ ]]; then
    wait_until "$START_SECONDS_MAX" "$server" listens "$server" "$port" || true
  fi
  # A server that ended has said why by itself.
  ! alive "$server" || [[ -n $stop_timer ]] || banner "$grpc" "$metrics" "$ledger"
}

# Until the server ends, or something that it needs does. Exits with the server's status.
serve() {
  local pid status
  while :; do
    for pid in "${children[@]}"; do
      alive "$pid" || break 2
    done
    if [[ -n $stop_timer ]] && ! alive "$stop_timer"; then
      say "the server does not end within $DRAIN_SECONDS_MAX s of draining: stopping it now"
      kill -KILL "$server" 2>/dev/null || true
    fi
    # Until any of them ends, or a signal came.
    # shellcheck disable=SC2086  # no timer is no argument
    wait -n "${children[@]}" $stop_timer || true
  done
  if [[ $pid != "$server" ]]; then
    status=0
    wait "$pid" || status=$?
    say "the provider beside the server ended (status $status); its last words:"
    tail -n 5 "$run_folder"/*.log >&2 || true
    kill -TERM "$server" 2>/dev/null || true
    exit 1
  fi
  status=0
  wait "$server" || status=$?
  exit "$status"
}

run_pingti() {
  local local_model='' argument
  local -a flags=()
  for argument in "$@"; do
    if [[ $argument == --local-model ]]; then local_model=yes; else flags+=("$argument"); fi
  done
  setup build
  build_preset release build pingti-server pingti simulated-provider
  [[ -z $local_model ]] || install_local_model
  development_keys
  mkdir -p build/run
  run_folder=$(mktemp -d build/run/XXXXXX)
  trap stop_all EXIT
  trap on_signal INT TERM HUP
  choose_providers "$local_model"
  start_server "${flags[@]}"
  serve
}
