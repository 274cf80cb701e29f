"""S13: what calls see of a provider that fails, in a pingti-server of its own.

Its configuration is config/failover.yaml. How long a failed attempt took is read from the access
records of the server.
"""

import contextlib
import json
import os
import re
import socket
import tempfile
import threading
import time

from harness import arms
from harness.asked import marker, stream_marker
from harness.processes import free_port
from harness.rounds import LoadError, Pairs, Rounds
from harness.rows import Row

RATE = 200
WORKERS = 2  # as in the configuration
OPEN_TRIES = 10
RECORDS_SECONDS = 0.5  # until the access records of calls that have ended are in the file
# How a call is made, what of it is timed, and where bench-load says that.
KINDS = {"unary": ([*marker()], "latency"), "first token": (stream_marker(2, 0), "first_token")}
FAILOVER, STRAIGHT = "failover", "alive-a"
ALL_ALIVE = "all-alive"
DEAD = {"refused": "one of three refuses connections", "silent": "one of three says nothing"}


class SilentServer:
    """Takes connections and never answers."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self._listener.getsockname()[1]
        self._held = []
        self._thread = threading.Thread(target=self._hold, daemon=True)
        self._thread.start()

    def _hold(self):
        with contextlib.suppress(OSError):  # it was closed
            while True:
                self._held.append(self._listener.accept()[0])

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for one in (self._listener, *self._held):
            one.close()


class Server:
    """The pingti-server, and for each route of its configuration an arm of that name."""

    def __init__(self, bench, silent, folder):
        self.log = os.path.join(folder, "log")
        key, record = arms.make_key()
        config = os.path.join(arms.CONFIG, "failover.yaml")
        self.process = arms.PingtiServer(
            "pingti", bench.binaries, config,
            {"PINGTI_BENCH_UPSTREAM": bench.runner.provider.url, "PINGTI_BENCH_KEY": record,
             "PINGTI_BENCH_REFUSED": f"http://127.0.0.1:{free_port()}/v1",
             "PINGTI_BENCH_SILENT": f"http://127.0.0.1:{silent.port}/v1"}, self.log)
        self._key = key

    def arm(self, route, errors_allowed=()):
        return arms.Aimed(route, self.process,
                          self.process.address_with("--key", self._key, "--model", route),
                          errors_allowed)

    def failed_attempts_ms(self, since):
        """How long the failed attempts took of the calls that were recorded past the offset."""
        time.sleep(RECORDS_SECONDS)
        with open(self.log, "rb") as log:
            log.seek(since)
            records = [json.loads(line) for line in log if b'"attempts"' in line]
        return sorted(attempt["ms"] for record in records for attempt in record.get("attempts", ())
                      if "class" in attempt)

    def open_breakers(self, runner, provider):
        """Calls that provider alone until the breakers of all workers are open."""
        arm = self.arm(provider, ("UNAVAILABLE", "DEADLINE_EXCEEDED"))
        gauge = re.compile(
            rf'^pingti_upstream_breakers_open{{.*provider="{provider}".*}} {WORKERS}$',
            re.MULTILINE)
        for _ in range(OPEN_TRIES):
            runner.load(arm, ["--in-flight", "64", *marker(), "--warmup", "0", "--seconds", "1"],
                        must_end=False)
            if gauge.search(self.process.metrics()):
                return
        raise LoadError(f"the breakers of {provider} did not open")


def failover_rows(bench, server):
    """Calls whose first target answers 503 at once, against calls that begin at the second."""
    rows = []
    routes = [server.arm(STRAIGHT), server.arm(FAILOVER)]
    for kind, (flags, path) in KINDS.items():
        flags = ["--rate", str(RATE), *flags, "--seconds", str(bench.seconds), "--warmup", "0.5"]
        results = {FAILOVER: [], STRAIGHT: []}
        for _ in range(bench.rounds):
            for arm in routes:
                since = os.path.getsize(server.log)
                result = bench.runner.load(arm, flags)
                failed = server.failed_attempts_ms(since)
                # Those of the warm-up are recorded, too.
                if len(failed) < result["calls"] if arm.name == FAILOVER else failed:
                    raise LoadError(f"{arm.name}: {len(failed)} attempts of {result['calls']} "
                                    "calls failed")
                if failed:
                    result["failed"] = {"p50": failed[len(failed) // 2] * 1e6,
                                        "p99": failed[len(failed) * 99 // 100] * 1e6}
                results[arm.name].append(result)
        rounds = Rounds(results, 0)
        rounds.pairs = Pairs(list(zip(results[STRAIGHT], results[STRAIGHT][1:])))
        for part in ("p50", "p99"):
            value = f"{path}.{part}"
            limit = rounds.apart(value)
            own = rounds.figure(FAILOVER, f"failed.{part}")
            added = rounds.difference(FAILOVER, STRAIGHT, value)
            rows += [
                Row("S13", f"{kind} {part}, straight", "pingti",
                    rounds.figure(STRAIGHT, value).scaled(1e-3), "us", limit=limit),
                Row("S13", f"failed attempt {part}, {kind}", "pingti", own.scaled(1e-3), "us"),
                Row("S13", f"failover adds to {kind} {part}, over the failed attempt", "pingti",
                    added.less(own).scaled(1e-3), "us", goal=1000, limit=limit)]
    return rows


def dead_provider_rows(bench, server):
    """Three equal targets, one of them dead and its breakers open, against three alive."""
    rows = []
    for dead in DEAD:
        server.open_breakers(bench.runner, dead)
    routes = [server.arm(route) for route in (*(f"one-{dead}" for dead in DEAD), ALL_ALIVE)]
    for kind, (flags, path) in KINDS.items():
        rounds = bench.measure(f"S13 {kind}", ["--rate", str(RATE), *flags], None, arms=routes)
        for part, goal in (("p50", 5000), ("p99", None)):
            value = f"{path}.{part}"
            limit = rounds.apart(value)
            rows.append(Row("S13", f"{kind} {part}, three alive", "pingti",
                            rounds.figure(ALL_ALIVE, value).scaled(1e-3), "us", limit=limit))
            rows += [Row("S13", f"added to {kind} {part}, {what}", "pingti",
                         rounds.difference(f"one-{dead}", ALL_ALIVE, value).scaled(1e-3), "us",
                         goal=goal, limit=limit) for dead, what in DEAD.items()]
    return rows


def failing_providers(bench):
    """S13: failover, and a dead one of three providers; 200 calls/s on schedule."""
    with tempfile.TemporaryDirectory(prefix="pingti-bench-") as folder, \
            contextlib.ExitStack() as running:
        silent = SilentServer()
        running.callback(silent.stop)
        server = Server(bench, silent, folder)
        running.callback(server.process.stop)
        return failover_rows(bench, server) + dead_provider_rows(bench, server)


failing_providers.without_arms = True
