"""Alternating rounds, and the statistics that survive a noisy machine.

A round measures every arm once, one after the other. The figure of an arm is the median over the
rounds; a difference or a ratio of two arms is taken within each round first. A round in which the
direct arm strays by more than 15% from its own median is thrown away and repeated.
"""

import json
import statistics
import subprocess

DIRECT_MOVE_MAX = 0.15
LOAD_GRACE_SECONDS = 60


class LoadError(RuntimeError):
    """bench-load failed, or its calls did."""


def dig(result, path):
    """`a.b.c` of nested dictionaries; None where it is missing."""
    for key in path.split("."):
        if not isinstance(result, dict) or result.get(key) is None:
            return None
        result = result[key]
    return result


class Figure:
    """One value per round: the median, and how far the rounds lie apart."""

    def __init__(self, values):
        self.values = list(values)
        self.median = statistics.median(self.values)
        self.low = min(self.values)
        self.high = max(self.values)

    def scaled(self, factor):
        return Figure([value * factor for value in self.values])

    def less(self, other):
        """The difference of two figures, round by round."""
        return Figure([a - b for a, b in zip(self.values, other.values)])

    def over(self, other):
        """The ratio of two figures, round by round."""
        return Figure([a / b for a, b in zip(self.values, other.values)])

    def json(self):
        return {"median": self.median, "low": self.low, "high": self.high, "rounds": self.values}


class Rounds:
    """What the kept rounds gave: for each arm a list of bench-load's results, index by round."""

    def __init__(self, results, thrown):
        self.results = results
        self.thrown = thrown
        self.pairs = Pairs([])

    def apart(self, path):
        """The detection limit of a value: how far runs of one arm lay apart."""
        return self.pairs.apart(path)

    def has(self, *arms):
        return all(arm in self.results for arm in arms)

    def figure(self, arm, path):
        return Figure([dig(result, path) for result in self.results[arm]])

    def difference(self, arm, base, path):
        return Figure([dig(a, path) - dig(b, path)
                       for a, b in zip(self.results[arm], self.results[base])])

    def ratio(self, arm, base, path):
        return Figure([dig(a, path) / dig(b, path)
                       for a, b in zip(self.results[arm], self.results[base])])

    def quotient(self, arm, path, by):
        """One value of an arm by another one of it."""
        return Figure([dig(result, path) / max(1, dig(result, by)) for result in self.results[arm]])


class Pairs:
    """Runs of one arm against itself: what lies closer together than they cannot be told apart."""

    def __init__(self, pairs):
        self.pairs = pairs

    def apart(self, path):
        """The largest distance within a pair, as a share of its mean; None: there is no value."""
        apart = []
        for first, second in ((dig(a, path), dig(b, path)) for a, b in self.pairs):
            if first is None or second is None or first + second == 0:
                return None
            apart.append(abs(first - second) / ((first + second) / 2))
        return max(apart, default=None)


class Runner:
    """Runs bench-load against arms."""

    def __init__(self, binary, provider, verbose):
        self.binary = binary
        self.provider = provider
        self.verbose = verbose

    def load(self, arm, flags, must_end=True):
        """One run; bench-load's JSON. `must_end`: no call in the window is an error."""
        command = [self.binary, *arm.address, *flags,
                   "--pid", f"provider={self.provider.process.pid}"]
        if arm.pids():
            command += ["--pid", "gateway=" + ",".join(str(pid) for pid in arm.pids())]
        seconds = sum(float(flags[flags.index(flag) + 1]) for flag in
                      ("--seconds", "--warmup", "--drain") if flag in flags)
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              timeout=seconds + LOAD_GRACE_SECONDS)
        if done.returncode != 0:
            raise LoadError(f"{arm.name}: {done.stderr.strip()}")
        result = json.loads(done.stdout)
        if self.verbose:
            print(f"  {arm.name:18} {done.stdout.strip()}", flush=True)
        failed = {kind: count for kind, count in result["errors"].items()
                  if kind not in arm.errors_allowed}
        if failed:
            raise LoadError(f"{arm.name}: calls failed: {failed}")
        late = result["unfinished"] + result["not_sent"]
        if "--rate" in flags and late:
            raise LoadError(f"{arm.name}: cannot keep up, {late} calls had no answer in time")
        if must_end and not (result["calls"] or result.get("chunks") or result["errors"]):
            raise LoadError(f"{arm.name}: no call ended within the window")
        return result

    def rounds(self, arms, flags, count, steady):
        """`count` rounds over `arms`; the direct arm's value at `steady` must not move."""
        kept = []
        arms = self._able(arms, flags)
        for _ in range(2 * count):
            kept.append({arm.name: self.load(arm, flags) for arm in arms})
            good = self._steady(kept, steady)
            if len(good) >= count:
                break
        good = self._steady(kept, steady) or kept
        names = [arm.name for arm in arms]
        return Rounds({name: [one[name] for one in good] for name in names}, len(kept) - len(good))

    def _able(self, arms, flags):
        """The arms without rivals that cannot do this at all; says which and why."""
        able = []
        for arm in arms:
            try:
                if arm.rival:
                    self.load(arm, flags)
                able.append(arm)
            except LoadError as failure:
                print(f"LEFT OUT: {failure}", flush=True)
        return able

    @staticmethod
    def _steady(rounds, path):
        if "direct" not in rounds[0] or path is None:
            return rounds
        middle = statistics.median(dig(one["direct"], path) for one in rounds)
        return [one for one in rounds
                if abs(dig(one["direct"], path) / middle - 1) <= DIRECT_MOVE_MAX]

    def same_twice(self, arm, flags, count):
        """The A/A pairs: two runs of one arm, `count` times."""
        return Pairs([tuple(self.load(arm, flags) for _ in range(2)) for _ in range(count)])
