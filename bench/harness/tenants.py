"""S12 and S15: what a call costs where there are many tenants, from outside.

A server with few tenants and one with many; each call comes with the key of a tenant that is drawn
at random. S12 has no ledger: in a first pair of servers all calls are served; in a second one the
only request that each tenant has a day is used up before anything is measured. In S15 all calls are
served and charged, where there are many tenants in a ledger that has many charges already.
"""

import contextlib
import os
import subprocess
import tempfile

from harness import arms
from harness.asked import CPU_CALL, marker
from harness.rows import Row

FEW, MANY = 10, 10_000
CHARGES = {FEW: 0, MANY: 1_000_000}
# Nearly every tenant has called both workers by then: what is made for a tenant at its first call
# is there, and the requests of the day are used up.
FILL_CALLS = 10 * MANY
FILL_SECONDS = 4
# Tier, what calls may end with, and what is measured.
KINDS = (("Endless", (), "CPU per unary call"),
         ("OnePerDay", ("RESOURCE_EXHAUSTED",), "CPU per refused call"))


def start(bench, count, tier, errors_allowed, folder, data_dir=""):
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
                               {"PINGTI_BENCH_UPSTREAM": bench.runner.provider.url,
                                "PINGTI_BENCH_DATA_DIR": data_dir})
    server.address = server.address_with("--keys", keys_path)
    server.errors_allowed = errors_allowed
    return server


def fill(bench, arm):
    calls = 0
    while calls < FILL_CALLS:
        result = bench.runner.load(arm, ["--in-flight", "64", *marker(), "--warmup", "0",
                                         "--seconds", str(FILL_SECONDS)])
        calls += result["calls"] + sum(result["errors"].values())


def make_ledger(bench, count, folder):
    """The folder of a ledger with the accounts of so many tenants, and their charges."""
    data_dir = tempfile.mkdtemp(dir=folder)
    subprocess.run([os.path.join(bench.binaries, "fill-ledger"),
                    os.path.join(data_dir, "ledger.db"), "--tenants", str(count),
                    "--calls", str(CHARGES[count])], check=True)
    return data_dir


def compare(bench, scenario, what, start_one):
    """Many tenants against few, closed loop, 64 in flight. `start_one` gives the server of so many,
    in a folder."""
    with tempfile.TemporaryDirectory(prefix="pingti-bench-") as folder, \
            contextlib.ExitStack() as running:
        servers = []
        for count in (MANY, FEW):
            servers.append(start_one(count, folder))
            running.callback(servers[-1].stop)
            fill(bench, servers[-1])
        rounds = bench.measure(f"{scenario} {what}", ["--in-flight", "64", *marker()], None,
                               arms=servers)
    many, few = (server.name for server in servers)
    limit = rounds.apart(CPU_CALL)
    rows = [Row(scenario, f"{what}, {name}", "pingti", rounds.figure(name, CPU_CALL), "us",
                limit=limit) for name in (few, many)]
    return rows + [Row(scenario, f"{what}, {many} over {few}", "pingti",
                       rounds.ratio(many, few, CPU_CALL), "x", goal=1.15, limit=limit)]


def growth(bench):
    """S12: many tenants against few, without a ledger."""
    rows = []
    for tier, errors_allowed, what in KINDS:
        rows += compare(bench, "S12", what, lambda count, folder, tier=tier, allowed=errors_allowed:
                        start(bench, count, tier, allowed, folder))
    return rows


def ledger_growth(bench):
    """S15: the same with a ledger, which has many charges where there are many tenants."""
    return compare(bench, "S15", "CPU per charged call", lambda count, folder:
                   start(bench, count, "Endless", (), folder, make_ledger(bench, count, folder)))


growth.without_arms = True
ledger_growth.without_arms = True
