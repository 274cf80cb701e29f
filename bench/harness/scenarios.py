"""The scenarios: what load, over which arms, and which rows of the table come out of it."""

import os
import time

from harness import arms as arms_of
from harness import failover, micro, money, tenants
from harness.asked import CPU_CALL, marker, stream_marker
from harness.rounds import Figure, LoadError, dig
from harness.rows import PROVIDER_LIMIT, Row

PACED_INTERVAL_MS = 5
CPU_CHUNK = "processes.gateway.cpu_us_per_chunk"
RATE = "calls_per_second"
CHUNK_RATE = "chunks_per_second"


class Bench:
    """What every scenario needs: the arms, the runner, how long and how often to measure."""

    def __init__(self, arms, runner, rounds, seconds, quick, start_arm):
        self.arms = arms
        self.runner = runner
        self.rounds = rounds
        self.seconds = seconds
        self.quick = quick
        self.start_arm = start_arm  # starts a fresh process of an arm by name
        self.thrown = {}
        self.failures = []  # what could not be measured, and why

    @property
    def binaries(self):
        return os.path.dirname(self.runner.binary)

    def named(self, name):
        return next((arm for arm in self.arms if arm.name == name), None)

    def ours(self):
        return self.named("pingti")

    def gateways(self, names):
        return [name for name in names if name != "direct"]

    def measure(self, scenario, flags, steady, warmup=0.5, arms=None):
        """The rounds over these arms or all, and the A/A pairs (of the last one, or of ours) that
        went before them."""
        flags = [*flags, "--seconds", str(self.seconds), "--warmup", str(warmup)]
        twin = arms[-1] if arms else self.ours() or self.named("nginx") or self.arms[0]
        pairs = self.runner.same_twice(twin, flags, 2 if self.quick else max(3, self.rounds // 2))
        rounds = self.runner.rounds(arms or self.arms, flags, self.rounds, steady)
        self.thrown[scenario] = rounds.thrown
        rounds.pairs = pairs
        return rounds


def provider_marks(rounds, arm, path):
    """The mark of a rate that is less than a third of what the provider alone can do."""
    if arm == "direct" or not rounds.has("direct"):
        return []
    return [PROVIDER_LIMIT] if rounds.ratio("direct", arm, path).median < 3 else []


def cost_of_policy(rounds, what, path):
    """S7: everything on against everything off, as a share of the latter's CPU."""
    if not rounds.has("pingti", "pingti-policy-off"):
        return []
    share = rounds.ratio("pingti", "pingti-policy-off", path)
    percent = Figure([100 * (value - 1) for value in share.values])
    return [Row("S7", what, "pingti", percent, "%", goal=20, limit=rounds.apart(path),
                percent=True)]


def unary_latency(bench):
    """S1: added latency, about one call in flight, open loop, instant provider."""
    rate = 400
    rounds = bench.measure("S1", ["--rate", str(rate), *marker()], "latency.p50")
    rows = []
    goals = {"p50": 250, "p99": 600}
    for name in rounds.results:
        for part, goal in goals.items():
            path = f"latency.{part}"
            if name == "direct":
                rows.append(Row("S1", f"latency {part}, {rate}/s", name,
                                rounds.figure(name, path).scaled(1e-3), "us",
                                limit=rounds.apart(path)))
            elif rounds.has("direct"):
                added = rounds.difference(name, "direct", path).scaled(1e-3)
                rows.append(Row("S1", f"added latency {part}, {rate}/s", name, added, "us",
                                goal=goal if name == "pingti" else None, limit=rounds.apart(path)))
    return rows


def unary_cost(bench):
    """S2, S3, S7: closed loop, 64 in flight."""
    rounds = bench.measure("S2", ["--in-flight", "64", *marker()], RATE)
    rows = []
    for name in bench.gateways(rounds.results):
        rows.append(Row("S2", "CPU per unary call, 64 in flight", name,
                        rounds.figure(name, CPU_CALL), "us", limit=rounds.apart(CPU_CALL),
                        marks=provider_marks(rounds, name, RATE)))
    for name in ("pingti", "pingti-policy-off", "portkey"):
        if rounds.has(name, "nginx"):
            rows.append(Row("S2", "CPU per unary call over nginx", name,
                            rounds.ratio(name, "nginx", CPU_CALL), "x",
                            goal=6 if name == "pingti" else None, limit=rounds.apart(CPU_CALL)))
    if rounds.has("pingti", "portkey"):
        rows.append(Row("S2", "CPU per unary call, Portkey over ours", "pingti",
                        rounds.ratio("portkey", "pingti", CPU_CALL), "x", goal=12, at_least=True,
                        limit=rounds.apart(CPU_CALL)))
    for name in rounds.results:
        rows.append(Row("S3", "unary calls at saturation", name,
                        rounds.figure(name, RATE), "/s", limit=rounds.apart(RATE),
                        marks=provider_marks(rounds, name, RATE)))
    if rounds.has("direct", "pingti"):
        rows.append(Row("S3", "provider over gateway, unary calls", "pingti",
                        rounds.ratio("direct", "pingti", RATE), "x", goal=3, at_least=True,
                        limit=rounds.apart(RATE)))
    if rounds.has("pingti", "portkey"):
        rows.append(Row("S3", "unary calls, ours over Portkey", "pingti",
                        rounds.ratio("pingti", "portkey", RATE), "x", goal=10,
                        at_least=True, limit=rounds.apart(RATE),
                        marks=provider_marks(rounds, "pingti", RATE)))
    return rows + cost_of_policy(rounds, "CPU that policy adds to a unary call", CPU_CALL)


def first_token(bench):
    """S4 at one stream: time to first token of short streams, open loop."""
    rate = 50
    flags = ["--rate", str(rate), *stream_marker(2, 0)]
    rounds = bench.measure("S4 first token", flags, "first_token.p50")
    rows = []
    goals = {"p50": 250, "p99": 600}
    for name in rounds.results:
        for part, goal in goals.items():
            path = f"first_token.{part}"
            if name == "direct":
                rows.append(Row("S4", f"time to first token {part}, 1 at once", name,
                                rounds.figure(name, path).scaled(1e-3), "us",
                                limit=rounds.apart(path)))
            elif rounds.has("direct"):
                rows.append(Row("S4", f"added time to first token {part}, 1 at once", name,
                                rounds.difference(name, "direct", path).scaled(1e-3), "us",
                                goal=goal if name == "pingti" else None, limit=rounds.apart(path)))
    return rows


def paced_streams(bench, at_once):
    """S4: streams of 64 chunks, 20 ms apart; a schedule keeps `at_once` of them running."""
    chunks, interval_ms = 64, 20
    stream_seconds = chunks * interval_ms / 1000
    flags = ["--rate", f"{at_once / stream_seconds:.6f}", *stream_marker(chunks, interval_ms)]
    rounds = bench.measure(f"S4 {at_once} at once", flags, None, warmup=stream_seconds + 0.5)
    rows = []
    goals = {"p50": 60, "p99": 500} if at_once == 32 else {"p50": None, "p99": None}
    for name in rounds.results:
        for part, goal in goals.items():
            path = f"chunk_delay.{part}"
            rows.append(Row("S4", f"chunk delay one way {part}, {at_once} at once", name,
                            rounds.figure(name, path).scaled(1e-3), "us",
                            goal=goal if name == "pingti" else None, limit=rounds.apart(path)))
        lost = rounds.figure(name, "chunks_lost")
        if lost.high > 0 or name == "pingti":
            rows.append(Row("S4", f"chunks lost, {at_once} at once", name, lost, "",
                            goal=0 if name == "pingti" else None))
    return rows


def streams(bench):
    """S4: streams, from one to many at once."""
    rows = first_token(bench)
    for at_once in (1, 32) if bench.quick else (1, 32, 128, 512):
        try:
            rows += paced_streams(bench, at_once)
        except LoadError as error:
            bench.failures.append(f"S4, {at_once} at once: {error}")
    return rows


def provider_headroom(bench, paced):
    """How many times the chunks of the paced streams the provider's CPU would be enough for.

    The direct arm is paced, too, so its rate says nothing: it is one over the share of its threads'
    time that the provider works.
    """
    if not paced.has("pingti"):
        return []
    threads = bench.runner.provider.threads
    times = [1e6 * threads / (dig(result, "processes.provider.cpu_us_per_chunk")
                              * dig(result, CHUNK_RATE)) for result in paced.results["pingti"]]
    return [Row("S5", "provider over gateway, every 5 ms", "pingti", Figure(times), "x", goal=3,
                at_least=True)]


def chunk_cost(bench):
    """S5, S7: 64 streams, a chunk every 5 ms; and as fast as they come."""
    warmup = 1.0
    chunks = int((warmup + bench.seconds + 0.5) * 1000 / PACED_INTERVAL_MS)
    flags = ["--in-flight", "64", "--ramp", "0.5", *stream_marker(chunks, PACED_INTERVAL_MS)]
    paced = bench.measure("S5 paced", flags, "processes.provider.cpu_us_per_chunk", warmup=warmup)
    unpaced = bench.measure(
        "S5 unpaced", ["--in-flight", "64", *stream_marker(2000, 0)], CHUNK_RATE)
    rows = []
    for name in bench.gateways(paced.results):
        row = Row("S5", "CPU per chunk, 64 streams, every 5 ms", name,
                  paced.figure(name, CPU_CHUNK), "us", limit=paced.apart(CPU_CHUNK))
        if unpaced.has("direct") and (unpaced.figure("direct", CHUNK_RATE).median
                                      < 3 * paced.figure(name, CHUNK_RATE).median):
            row.marks.append(PROVIDER_LIMIT)
        rows.append(row)
    for name in ("pingti", "pingti-policy-off", "portkey"):
        if paced.has(name, "nginx"):
            rows.append(Row("S5", "CPU per chunk over nginx, paced", name,
                            paced.ratio(name, "nginx", CPU_CHUNK), "x",
                            goal=3 if name == "pingti" else None, limit=paced.apart(CPU_CHUNK)))
    rows += provider_headroom(bench, paced)
    for name in unpaced.results:
        marks = provider_marks(unpaced, name, CHUNK_RATE)
        if name != "direct":
            rows.append(Row("S5", "CPU per chunk, unpaced", name, unpaced.figure(name, CPU_CHUNK),
                            "us", goal=10 if name == "pingti" else None,
                            limit=unpaced.apart(CPU_CHUNK), marks=marks))
        rows.append(Row("S5", "chunks per second, unpaced", name,
                        unpaced.figure(name, CHUNK_RATE), "/s", limit=unpaced.apart(CHUNK_RATE),
                        marks=marks))
    for what, rounds in (("every 5 ms", paced), ("unpaced", unpaced)):
        for name in rounds.results:
            rows.append(Row("S5", f"chunks per message, {what}", name,
                            rounds.quotient(name, "chunks", "messages"), ""))
            lost = rounds.figure(name, "chunks_lost")
            if lost.high > 0 or name == "pingti":
                rows.append(Row("S5", f"chunks lost, {what}", name, lost, "",
                                goal=0 if name == "pingti" else None))
    for name in bench.gateways(paced.results):
        rows.append(Row("S5", "context switches per chunk, every 5 ms", name,
                        paced.figure(name, "processes.gateway.context_switches_per_chunk"), ""))
    return rows + cost_of_policy(paced, "CPU that policy adds to a paced chunk", CPU_CHUNK)


def idle_memory(bench):
    """S6: what an idle stream costs in a fresh process, and what stays after the streams."""
    count = 1000
    rows = []
    for name in [arm.name for arm in bench.arms if arm.pids()]:
        arm = bench.start_arm(name)
        try:
            idle = arm.process.rss_bytes()
            # Pools and caches fill with the first calls, not with the streams to be weighed.
            bench.runner.load(arm, ["--in-flight", "64", "--seconds", "1", *stream_marker(4, 0)])
            before = arm.process.rss_bytes()
            flags = ["--in-flight", str(count), "--ramp", "1", "--warmup", "4", "--seconds", "1",
                     "--drain", "10", *stream_marker(2, 9000)]
            held = bench.runner.load(arm, flags, must_end=False)
            time.sleep(2)
            after = arm.process.rss_bytes()
        finally:
            arm.stop()
        if held["in_flight_at_close"] != count:
            raise LoadError(f"{name}: {held['in_flight_at_close']} streams were open, not {count}")
        full = dig(held, "processes.gateway.rss_bytes_end")
        goal = name == "pingti"
        rows += [
            Row("S6", "memory of the idle process", name, Figure([idle / 1e6]), "MB",
                goal=30 if goal else None),
            Row("S6", f"memory per idle stream, 0 to {count}", name,
                Figure([(full - before) / count / 1e3]), "KB", goal=35 if goal else None),
            Row("S6", "memory after the streams ended, over before", name,
                Figure([100 * (after / before - 1)]), "%", goal=10 if goal else None),
        ]
    return rows


def refusals(bench):
    """S9: calls of a tenant whose bucket is empty, beside gRPC alone; closed loop, 64 in flight."""
    ours = bench.ours()
    if ours is None:
        return []
    flags = ["--in-flight", "64", *marker()]
    bare = [arm for arm in map(bench.start_arm, ("bare-grpc", "bare-grpc-refusal")) if arm]
    try:
        bench.runner.load(ours.refused, [*flags, "--seconds", "0.5"])  # takes the day's request
        nginx = [arm for arm in bench.arms if arm.name == "nginx"]
        rounds = bench.measure("S9", flags, None, arms=[*nginx, *bare, ours.refused])
    finally:
        for arm in bare:
            arm.stop()
    before = arms_of.requests_served(bench.runner.provider)
    bench.runner.load(ours.refused, [*flags, "--seconds", str(bench.seconds)])
    passed = arms_of.requests_served(bench.runner.provider) - before

    def cost(what, name, goal=None):
        return Row("S9", what, name, rounds.figure(name, CPU_CALL), "us", goal=goal,
                   limit=rounds.apart(CPU_CALL))

    rows = [cost("CPU per answered call", name) for name in ("nginx", "bare-grpc")
            if rounds.has(name)]
    if rounds.has("bare-grpc-refusal"):
        rows += [cost("CPU per refused call", "bare-grpc-refusal"),
                 Row("S9", "CPU that ours adds to a bare refusal", "pingti",
                     rounds.difference("pingti", "bare-grpc-refusal", CPU_CALL), "us"),
                 Row("S9", "CPU per refused call over a bare refusal", "pingti",
                     rounds.ratio("pingti", "bare-grpc-refusal", CPU_CALL), "x")]
    return rows + [
        cost("CPU per refused call", "pingti", goal=40),
        Row("S9", "refusals", "pingti",
            rounds.quotient("pingti", "errors.RESOURCE_EXHAUSTED", "seconds"), "/s"),
        Row("S9", "refused calls that reached the provider", "pingti", Figure([passed]), "",
            goal=0)]


# What --only may name, and the function that measures it.
SCENARIOS = {"S1": unary_latency, "S2": unary_cost, "S3": unary_cost, "S4": streams,
             "S5": chunk_cost, "S6": idle_memory, "S7": (unary_cost, chunk_cost),
             "S8": micro.decision, "S9": refusals, "S12": tenants.growth,
             "S13": failover.failing_providers, "S14": money.ledger,
             "S15": tenants.ledger_growth}


def chosen(names):
    """The functions for those names, each once, in the order of the table."""
    functions = []
    for name in names:
        entry = SCENARIOS[name]
        for function in entry if isinstance(entry, tuple) else (entry,):
            if function not in functions:
                functions.append(function)
    return functions


__all__ = ["Bench", "Row", "SCENARIOS", "chosen", "arms_of"]
