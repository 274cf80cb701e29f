"""S14: what the ledger adds to a call: a server that holds and charges (SQLite, in a folder of its
own) against the same one without a ledger."""

import contextlib
import os
import tempfile

from harness import arms
from harness.asked import CPU_CALL, marker
from harness.rows import Row

RATE = 200
CHARGED, FREE = "with a ledger", "without a ledger"
LATENCY = "latency"
# A goal in microseconds is one of the machine on which it was set: there nginx takes 17 for a call.
ADDED_MAX_US, NGINX_US = 15, 17


def start(bench, name, data_dir):
    key, record = arms.make_key()
    server = arms.PingtiServer(name, bench.binaries, os.path.join(arms.CONFIG, "pingti.yaml"),
                               {"PINGTI_BENCH_UPSTREAM": bench.runner.provider.url,
                                "PINGTI_BENCH_KEY": record, "PINGTI_BENCH_REFUSED_KEY": "",
                                "PINGTI_BENCH_POLICY": "true",
                                "PINGTI_BENCH_DATA_DIR": data_dir})
    server.address = server.address_with("--key", key)
    return server


def ledger(bench):
    """S14: unary calls, closed loop with 64 in flight for CPU; for latency 200 calls/s, which the
    provider answers after 20 ms."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="pingti-bench-") as folder, \
            contextlib.ExitStack() as running:
        servers = [start(bench, CHARGED, os.path.join(folder, "data")), start(bench, FREE, "")]
        for server in servers:
            running.callback(server.stop)
        nginx = bench.start_arm("nginx")
        if nginx:
            running.callback(nginx.stop)
        rounds = bench.measure("S14 CPU", ["--in-flight", "64", *marker()], None,
                               arms=[nginx, *servers] if nginx else servers)
        limit = rounds.apart(CPU_CALL)
        rows += [Row("S14", f"CPU per unary call, {name}", "pingti",
                     rounds.figure(name, CPU_CALL), "us", limit=limit) for name in (FREE, CHARGED)]
        added = rounds.difference(CHARGED, FREE, CPU_CALL)
        rows.append(Row("S14", "CPU that the ledger adds to a call", "pingti", added, "us",
                        goal=ADDED_MAX_US, limit=limit))
        if nginx:
            calls = rounds.figure("nginx", CPU_CALL)
            rows.append(Row("S14", "CPU per unary call", "nginx", calls, "us"))
            rows.append(Row("S14", "CPU that the ledger adds, over a call of nginx", "pingti",
                            added.over(calls), "x", goal=round(ADDED_MAX_US / NGINX_US, 2),
                            limit=limit))
        rounds = bench.measure("S14 latency", ["--rate", str(RATE), *marker(latency_ms=20)], None,
                               arms=servers)
        value = f"{LATENCY}.p50"
        limit = rounds.apart(value)
        rows += [Row("S14", f"unary p50, {name}", "pingti",
                     rounds.figure(name, value).scaled(1e-3), "us", limit=limit)
                 for name in (FREE, CHARGED)]
        rows.append(Row("S14", "unary p50 that the ledger adds", "pingti",
                        rounds.difference(CHARGED, FREE, value).scaled(1e-3), "us", limit=limit))
    return rows


ledger.without_arms = True
