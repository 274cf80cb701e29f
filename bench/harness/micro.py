"""S8: what bench-micro (Google Benchmark) measures inside of one process, as rows of the table.

Its benchmarks are repeated in a random order; a figure is the median of the repetitions. A Redis is
started for it on a socket of its own.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile

from harness.processes import Process, StartError
from harness.rounds import Figure, LoadError
from harness.rows import Row

ARM = "in process"
DECISION = "BM_ReserveAndSettle/threads:1"
OF_TENANTS = "BM_ReserveAndSettleOfTenants/"
REFUSAL = "BM_Refuse"
REDIS = "BM_ReserveInRedis/manual_time"
FEW, MANY = 10, 10_000
ROUTE, FAILOVER = "BM_RouteCall", "BM_RouteCallWithFailover"
CHUNK, CHUNK_MIXED = "BM_OpenAiChunkOf300Bytes", "BM_OpenAiChunkOf300BytesMixed"
RUN_SECONDS_MAX = 600


class Redis:
    """A redis-server that keeps nothing, on a Unix socket in a folder of its own."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="pingti-bench-")
        self._path = os.path.join(self._folder.name, "redis.sock")
        try:
            self._process = Process(
                "redis-server", ["redis-server", "--port", "0", "--unixsocket", self._path,
                                 "--save", "", "--appendonly", "no"],
                os.path.join(self._folder.name, "log"))
            self._process.wait_until(self._answers, "socket")
        except BaseException:
            self._folder.cleanup()
            raise

    def _answers(self):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self._path) == 0

    def __enter__(self):
        return f"unix:{self._path}"

    def __exit__(self, *_):
        self._process.stop()
        self._folder.cleanup()


class Repetitions:
    """What bench-micro printed: for each benchmark its repetitions, in their order."""

    def __init__(self, printed):
        self._of = {}
        for entry in printed["benchmarks"]:
            if entry.get("error_occurred"):
                raise LoadError(f"bench-micro: {entry['name']}: {entry['error_message']}")
            if entry["run_type"] == "iteration":
                self._of.setdefault(entry["run_name"], []).append(entry)
        for entries in self._of.values():
            entries.sort(key=lambda entry: entry["repetition_index"])

    def figure(self, name, value):
        """A time is in ns, as bench-micro's benchmarks all are."""
        if name not in self._of:
            raise LoadError(f"bench-micro has no {name}; build it anew")
        return Figure(entry[value] for entry in self._of[name])

    def ratio(self, name, base, value):
        return Figure(a / b for a, b in zip(self.figure(name, value).values,
                                            self.figure(base, value).values))


def run(binary, names, repetitions, seconds, redis=None):
    """One run over the benchmarks `names`, `seconds` for each repetition; Repetitions."""
    pattern = "^(" + "|".join(re.escape(name) for name in names) + ")$"
    environment = {name: value for name, value in os.environ.items()
                   if name != "PINGTI_BENCH_REDIS"}
    if redis:
        environment["PINGTI_BENCH_REDIS"] = redis
    done = subprocess.run(
        [binary, f"--benchmark_filter={pattern}", "--benchmark_format=json",
         f"--benchmark_repetitions={repetitions}", f"--benchmark_min_time={seconds}",
         "--benchmark_enable_random_interleaving=true"],
        capture_output=True, text=True, check=False, env=environment, timeout=RUN_SECONDS_MAX)
    if done.returncode != 0:
        raise LoadError(f"bench-micro: {done.stderr.strip()}")
    return Repetitions(json.loads(done.stdout))


def local_rows(binary, repetitions, seconds):
    """The decision in the memory of the process: CPU time, as nothing in it waits."""
    few, many = f"{OF_TENANTS}{FEW}", f"{OF_TENANTS}{MANY}"
    measured = run(binary, [DECISION, few, many, REFUSAL], repetitions, seconds)
    return [
        Row("S8", "local decision over all scopes: reserve and settle", ARM,
            measured.figure(DECISION, "cpu_time"), "ns", goal=1000),
        Row("S8", "allocations per local decision", ARM, measured.figure(DECISION, "allocations"),
            "", goal=0),
        Row("S8", f"local decision, {MANY:,} tenants in turn", ARM,
            measured.figure(many, "cpu_time"), "ns"),
        Row("S8", f"local decision, {MANY:,} tenants over {FEW}", ARM,
            measured.ratio(many, few, "cpu_time"), "x", goal=1.15),
        Row("S8", "local refusal", ARM, measured.figure(REFUSAL, "cpu_time"), "ns"),
    ]


def path_rows(binary, repetitions, seconds):
    """Routing of a call and decoding of a chunk: CPU time."""
    measured = run(binary, [ROUTE, FAILOVER, CHUNK, CHUNK_MIXED], repetitions, seconds)

    def row(what, name, goal):
        return Row("S8", what, ARM, measured.figure(name, "cpu_time"), "ns", goal=goal)

    return [
        row("routing of a call: options, choice, result", ROUTE, 3000),
        row("the same with a failure: verdict, second choice", FAILOVER, 3000),
        row("decode one chunk of 300 bytes", CHUNK, 1500),
        row("decode one chunk of 300 bytes, Chinese and escapes", CHUNK_MIXED, 1500),
    ]


def redis_rows(binary, repetitions, seconds):
    """One round trip; the median and the 99th percentile of each repetition."""
    if shutil.which("redis-server") is None:
        print("no S8 with Redis: redis-server is not installed (Debian package redis-server)")
        return []
    with Redis() as address:
        measured = run(binary, [REDIS], repetitions, seconds, redis=address)
    return [Row("S8", f"reservation in Redis, round trip {part}", ARM,
                measured.figure(REDIS, f"{part}_us"), "us") for part in ("p50", "p99")]


def decision(bench):
    """S8: the quota decision of a call, in memory and in a Redis on this machine; what routing and
    decoding cost."""
    binary = os.path.join(bench.binaries, "bench-micro")
    if not os.path.exists(binary):
        print(f"no S8: {binary} is not built (Debian package libbenchmark-dev)")
        return []
    repetitions = max(5, bench.rounds)
    seconds = 0.1 if bench.quick else 0.5
    rows = local_rows(binary, repetitions, seconds) + path_rows(binary, repetitions, seconds)
    try:
        rows += redis_rows(binary, repetitions, seconds)
    except (StartError, LoadError) as error:
        bench.failures.append(f"S8 with Redis: {error}")
    return rows


decision.without_arms = True
