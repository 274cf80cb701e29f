"""S12: what a call costs where there are many tenants, from outside.

A server with few tenants and one with many; each call comes with the key of a tenant that is drawn
at random. In a first pair of servers all calls are served; in a second one the only request that
each tenant has a day is used up before anything is measured.
"""

import contextlib
import os
import tempfile

from harness import arms
from harness.asked import CPU_CALL, marker
from harness.rows import Row

FEW, MANY = 10, 10_000
# Nearly every tenant has called both workers by then: what is made for a tenant at its first call
# is there, and the requests of the day are used up.
FILL_CALLS = 10 * MANY
FILL_SECONDS = 4
# Tier, what calls may end with, and what is measured.
KINDS = (("Endless", (), "CPU per unary call"),
         ("OnePerDay", ("RESOURCE_EXHAUSTED",), "CPU per refused call"))


def start(bench, count, tier, errors_allowed, folder):
    """A pingti-server with `count` tenants of that tier, as an arm that draws one for each call."""
    records = tempfile.mkdtemp(dir=folder)
    keys, tenants = [], []
    for i in range(count):
        key, record = arms.make_key()
        keys.append(f"{key}\n")
        # In files: a configuration of 10,000 records would be larger than the server reads.
        with open(os.path.join(records, str(i)), "w", encoding="ascii") as file:
            file.write(record)
        tenants.append(f"- {{name: t{i}, tier: {tier}, keys: [{{record_file: {i}}}]}}")
    with open(os.path.join(arms.CONFIG, "tenants.yaml"), encoding="utf-8") as template:
        text = template.read().replace("@TENANTS@", "\n".join(tenants))
    config = os.path.join(records, "tenants.yaml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(text)
    keys_path = os.path.join(records, "keys")
    with open(keys_path, "w", encoding="ascii") as file:
        file.writelines(keys)
    name = f"{count:,} tenants"
    server = arms.PingtiServer(name, bench.binaries, config,
                               {"PINGTI_BENCH_UPSTREAM": bench.runner.provider.url})
    server.address = server.address_with("--keys", keys_path)
    server.errors_allowed = errors_allowed
    return server


def fill(bench, arm):
    calls = 0
    while calls < FILL_CALLS:
        result = bench.runner.load(arm, ["--in-flight", "64", *marker(), "--warmup", "0",
                                         "--seconds", str(FILL_SECONDS)])
        calls += result["calls"] + sum(result["errors"].values())


def growth(bench):
    """S12: many tenants against few, keys drawn at random; closed loop, 64 in flight."""
    rows = []
    for tier, errors_allowed, what in KINDS:
        with tempfile.TemporaryDirectory(prefix="pingti-bench-") as folder, \
                contextlib.ExitStack() as running:
            servers = []
            for count in (MANY, FEW):
                servers.append(start(bench, count, tier, errors_allowed, folder))
                running.callback(servers[-1].stop)
                fill(bench, servers[-1])
            rounds = bench.measure(f"S12 {tier}", ["--in-flight", "64", *marker()], None,
                                   arms=servers)
        many, few = (server.name for server in servers)
        limit = rounds.apart(CPU_CALL)
        rows += [Row("S12", f"{what}, {name}", "pingti", rounds.figure(name, CPU_CALL), "us",
                     limit=limit) for name in (few, many)]
        rows.append(Row("S12", f"{what}, {many} over {few}", "pingti",
                        rounds.ratio(many, few, CPU_CALL), "x", goal=1.15, limit=limit))
    return rows


growth.without_arms = True
