"""Every query of the dashboard and of the alerts, on a real Prometheus that scrapes a live server
with the simulated provider behind it.

Environment: PINGTI_SOURCE, the repository; PINGTI_BUILD, the build tree with bin/;
PINGTI_TEST_SLOWDOWN, how much slower than a release build the programs may be.
"""

import json
import math
import os
import pathlib
import re
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

from programs import Program

SOURCE = pathlib.Path(os.environ["PINGTI_SOURCE"])
BIN = pathlib.Path(os.environ["PINGTI_BUILD"]) / "bin"
DASHBOARD = json.loads((SOURCE / "deploy" / "dashboards" / "pingti.json").read_text())
RULES = SOURCE / "deploy" / "alerts" / "pingti.rules.yaml"

SLOWDOWN = float(os.environ.get("PINGTI_TEST_SLOWDOWN", "1"))
QUERY_SECONDS = 60 * SLOWDOWN  # until all queries have data
CALL_SECONDS = 60 * SLOWDOWN
POLL_SECONDS = 0.2

CONFIG = """
routing:  # one attempt each, and nothing rests: so what was called is what is counted
  {{attempts_max: 1, breaker_failures: 1000, refused_key_for: 0s, lost_provider_for: 0s,
    rate_limited_for_max: 0s}}
providers:
  - {{name: simulated, dialect: openai, base_url: "http://127.0.0.1:{provider}/v1", no_key: true}}
models:
  - {{name: yi-large, provider: simulated, context_tokens: 16384}}
  - {{name: yi-medium, provider: simulated, context_tokens: 16384}}
aliases:
  - {{name: gpt-4o, to: yi-large}}
tiers:
  - {{name: Large, other_classes: {{requests_per_minute: 100000, tokens_per_minute: 100000000}}}}
  - {{name: Tiny, other_classes: {{requests_per_minute: 1, tokens_per_minute: 100000}}}}
tenants:
  - {{name: acme, tier: Large, keys: [{{record: "{acme}"}}]}}
  - {{name: tiny, tier: Tiny, keys: [{{record: "{tiny}"}}]}}
"""

PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: pingti
    static_configs: [{{targets: ["127.0.0.1:{metrics}"]}}]
"""


def make_key():
    made = subprocess.run([BIN / "pingti-server", "--make-key"], check=True, capture_output=True,
                          text=True).stdout
    return (re.search(r"^key: (\S+)$", made, re.MULTILINE)[1],
            re.search(r"^record: (\S+)$", made, re.MULTILINE)[1])


def get(port, path, **parameters):
    url = f"http://127.0.0.1:{port}{path}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(url, timeout=10 * SLOWDOWN) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()  # Prometheus explains a bad query in the body


def until(condition, what):
    """Waits for condition() to be true; `what()` says what is missing in the end."""
    end = time.monotonic() + QUERY_SECONDS
    pause = threading.Event()
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(what())
        pause.wait(POLL_SECONDS)


def dashboard_queries():
    """(panel, query) with Grafana's variables replaced as Grafana would, for `All`."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            query = target["expr"].replace("$__rate_interval", "10s")
            for variable in DASHBOARD["templating"]["list"]:
                query = query.replace("$" + variable["name"], variable.get("allValue", ""))
            assert "$" not in query, query
            yield panel["title"], query


class Traffic(threading.Thread):
    """Calls of all kinds through the command line, over and over, until stopped."""

    KINDS = [
        # key, exit code of `pingti`, arguments
        ("acme", 0, ["--no-stream", "say hello"]),
        ("acme", 0, ["tell a story [sim:chunks=20,chunk_interval_ms=5,first_token_ms=20]"]),
        ("acme", 0, ["--model", "yi-medium", "another model [sim:chunks=4]"]),
        ("acme", 4, ["--model", "no-such-model", "hello"]),
        ("acme", 9, ["cut after content [sim:fault=18]"]),
        ("acme", 6, ["--no-stream", "provider fails [sim:status=500]"]),
        ("tiny", 5, ["one call a minute is too few"]),
    ]

    def __init__(self, port, keys):
        super().__init__()
        self._port = port
        self._keys = keys
        self._stopped = threading.Event()
        self.done = 0  # calls that ended OK
        self.wrong = []

    def _call(self, key, arguments):
        return subprocess.run(
            [BIN / "pingti", "chat", *arguments], capture_output=True, text=True,
            timeout=CALL_SECONDS, stdin=subprocess.DEVNULL,
            env={**os.environ, "PINGTI_TARGET": f"127.0.0.1:{self._port}",
                 "PINGTI_API_KEY": self._keys[key]})

    def run(self):
        first = self._call("tiny", ["the only call of this minute"])
        self.done += first.returncode == 0
        while not self._stopped.is_set():
            for key, wanted, arguments in self.KINDS:
                ended = self._call(key, arguments)
                self.done += ended.returncode == 0
                # The one call a minute may pass again when the machine is slow.
                if ended.returncode != wanted and not (key == "tiny" and ended.returncode == 0):
                    self.wrong.append(f"{arguments}: {ended.returncode}, not {wanted}: "
                                      f"{ended.stdout}{ended.stderr}")

    def stop(self):
        self._stopped.set()
        self.join()


class LiveTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        path = pathlib.Path(folder.name)
        keys = {name: make_key() for name in ("acme", "tiny")}

        provider = Program([BIN / "simulated-provider", "--port", "0"],
                           [r"listening on 127\.0\.0\.1:(\d+)"])
        cls.addClassCleanup(provider.stop)
        (path / "pingti.yaml").write_text(CONFIG.format(
            provider=provider.ports[0], acme=keys["acme"][1], tiny=keys["tiny"][1]))
        cls.server = Program(
            [BIN / "pingti-server", "--config", path / "pingti.yaml", "--grpc", "127.0.0.1:0",
             "--metrics", "127.0.0.1:0"],
            [r"grpc listening on 127\.0\.0\.1:(\d+)", r"metrics listening on 127\.0\.0\.1:(\d+)"])
        cls.addClassCleanup(cls.server.stop)
        grpc, cls.metrics = cls.server.ports
        (path / "prometheus.yml").write_text(PROMETHEUS.format(rules=RULES, metrics=cls.metrics))
        prometheus = Program(
            ["prometheus", f"--config.file={path}/prometheus.yml",
             f"--storage.tsdb.path={path}/data", "--web.listen-address=127.0.0.1:0"],
            [r'msg="Listening on" address=127\.0\.0\.1:(\d+)'])
        cls.addClassCleanup(prometheus.stop)
        (cls.prometheus,) = prometheus.ports
        until(lambda: "Ready" in get(cls.prometheus, "/-/ready"), prometheus.output)

        cls.traffic = Traffic(grpc, {name: key for name, (key, _) in keys.items()})
        cls.traffic.start()
        cls.addClassCleanup(cls.traffic.stop)

    def query(self, expression):
        answer = json.loads(get(self.prometheus, "/api/v1/query", query=expression))
        self.assertEqual(answer["status"], "success", f"{expression}: {answer}")
        return [float(sample["value"][1]) for sample in answer["data"]["result"]]

    def test_1_every_query_of_the_dashboard_has_data(self):
        waiting = list(dashboard_queries())
        self.assertGreater(len(waiting), 20)

        def all_answered():
            waiting[:] = [(panel, query) for panel, query in waiting
                          if all(math.isnan(value) for value in self.query(query))]
            return not waiting

        until(all_answered, lambda: f"no data: {waiting}\n{self.server.output()}")

    def test_2_rules_and_alerts_are_evaluated(self):
        def rules():
            groups = json.loads(get(self.prometheus, "/api/v1/rules"))["data"]["groups"]
            return [rule for group in groups for rule in group["rules"]]

        until(lambda: rules() and all(r["health"] != "unknown" for r in rules()), rules)
        self.assertEqual({r["name"]: (r["health"], r.get("lastError")) for r in rules()},
                         {r["name"]: ("ok", None) for r in rules()})
        recorded = [r["name"] for r in rules() if r["type"] == "recording"]
        alerts = [r for r in rules() if r["type"] == "alerting"]
        self.assertEqual(len(alerts), 5)
        for name in recorded:
            until(lambda name=name: self.query(name), lambda name=name: f"no data: {name}")
        for alert in alerts:
            # Valid, and empty where all is well.
            self.query(alert["query"])
            for text in ("summary", "description", "runbook"):
                self.assertTrue(alert["annotations"][text], alert["name"])
        # One of seven calls breaks off and one finds its provider failing: that is seen.
        until(lambda: self.query("pingti:error_ratio:rate5m > 0.05"), lambda: "no errors")
        until(lambda: self.query("pingti:provider_failure_ratio:rate5m > 0.2"),
              lambda: "no failures")

    def test_3_the_variables_of_the_dashboard_have_values(self):
        for variable in DASHBOARD["templating"]["list"]:
            if variable["type"] != "query":
                continue
            metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)",
                                         variable["query"]["query"]).groups()
            values = json.loads(get(self.prometheus, f"/api/v1/label/{label}/values",
                                    **{"match[]": metric}))["data"]
            self.assertTrue(values, variable["name"])

    def test_4_what_is_counted_is_what_was_called(self):
        self.traffic.stop()
        self.assertEqual(self.traffic.wrong, [])
        self.assertGreater(self.traffic.done, 3)
        text = get(self.metrics, "/metrics")
        counted = sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                      if line.startswith("pingti_calls_total{") and 'code="OK"' in line)
        self.assertEqual(counted, self.traffic.done)
        in_flight = [line for line in text.splitlines()
                     if re.match(r"pingti_(model_)?calls_in_flight\{", line)]
        self.assertTrue(in_flight)
        for line in in_flight:
            self.assertTrue(line.endswith(" 0"), line)
        check = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                               capture_output=True, timeout=30)
        self.assertEqual((check.returncode, check.stdout + check.stderr), (0, ""))


class DashboardTest(unittest.TestCase):
    def test_panels_have_their_own_ids_and_places(self):
        ids = [panel["id"] for panel in DASHBOARD["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        taken = set()
        for panel in DASHBOARD["panels"]:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells

    def test_panels_use_the_chosen_data_source(self):
        for panel in DASHBOARD["panels"]:
            for target in panel.get("targets", []):
                self.assertEqual(target["datasource"]["uid"], "${datasource}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
