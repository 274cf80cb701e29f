"""The arms: what stands between the load generator and the simulated provider.

Each arm is an object with `name`, `address` (flags that point bench-load at it), `pids()` of the
gateway (none for `direct`) and `stop()`. All of them forward to one simulated provider and are idle
while another arm is measured; `bare-grpc` has none and answers itself.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import urllib.request

from harness.processes import Process, StartError, free_port

CONFIG = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "config")
# Whether an arm has its quota, metrics and access records on.
PINGTI_POLICY = {"pingti": "true", "pingti-policy-off": "false"}
# Whether an arm refuses all calls.
BARE_REFUSES = {"bare-grpc": False, "bare-grpc-refusal": True}
ALL = ["direct", "nginx", *PINGTI_POLICY, "portkey"]
DEFAULT = ["direct", "nginx", "pingti", "pingti-policy-off"]
PORTKEY_VERSION = "1.15.2"


class Provider:
    """The simulated provider."""

    def __init__(self, binaries, directory, threads):
        self.threads = threads
        port_file = os.path.join(directory, "provider.port")
        self.process = Process("simulated-provider",
                               [os.path.join(binaries, "simulated-provider"), "--port", "0",
                                "--port-file", port_file, "--threads", str(threads)],
                               os.path.join(directory, "provider.log"))

        def port():
            try:
                with open(port_file, encoding="ascii") as file:
                    return int(file.read().strip() or 0)
            except (FileNotFoundError, ValueError):
                return 0
        self.port = self.process.wait_until(port, "port file")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def stop(self):
        self.process.stop()


class Arm:
    """Common to all: a gateway process, or none."""

    speaks = "HTTP"
    rival = False  # may be left out of a scenario that it cannot do
    errors_allowed = ()  # what calls may end with, beside an answer

    def __init__(self, name, process, address):
        self.name = name
        self.process = process
        self.address = address

    def pids(self):
        return self.process.pids() if self.process else []

    def version(self):
        return ""

    def stop(self):
        if self.process:
            self.process.stop()


class Aimed(Arm):
    """A running arm, under another name and called in another way."""

    def __init__(self, name, arm, address, errors_allowed=()):
        super().__init__(name, arm.process, address)
        self.errors_allowed = errors_allowed

    def stop(self):
        """The process is the other arm's."""


class Direct(Arm):
    """No gateway: the load generator talks to the provider."""

    def __init__(self, provider):
        super().__init__("direct", None, ["--http", f"{provider.url}/chat/completions"])


class Nginx(Arm):
    """nginx with proxy_pass."""

    def __init__(self, provider, directory):
        port = free_port()
        home = tempfile.mkdtemp(prefix="nginx-", dir=directory)
        fill = {"USER": "user root;" if os.geteuid() == 0 else "", "DIR": home, "PORT": str(port),
                "PROVIDER_PORT": str(provider.port)}
        with open(os.path.join(CONFIG, "nginx.conf"), encoding="utf-8") as template:
            text = re.sub(r"@([A-Z_]+)@", lambda match: fill.get(match[1], match[0]),
                          template.read())
        config = os.path.join(home, "nginx.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(text)
        process = Process("nginx", ["nginx", "-p", home, "-c", config, "-g", "daemon off;"],
                          os.path.join(home, "log"))
        process.wait_for_port(port)
        super().__init__("nginx", process,
                         ["--http", f"http://127.0.0.1:{port}/v1/chat/completions"])

    def version(self):
        result = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True)
        return result.stderr.strip().removeprefix("nginx version: ")


def make_key():
    """A new API key, as `pingti-server --make-key`: what the caller sends, and its record."""
    public_id = secrets.token_hex(6)
    key = f"pt_{public_id}_{secrets.token_hex(16)}"
    return key, f"pt_{public_id}:{hashlib.sha256(key.encode('ascii')).hexdigest()}"


class PingtiServer(Arm):
    """pingti-server with a configuration of bench/config/, or one that was made from it."""

    speaks = "gRPC"

    def __init__(self, name, binaries, config, environment, log=os.devnull):
        """The log is one access record per call: thrown away, as the disk is not measured."""
        self.port = free_port()
        self.metrics_port = free_port()
        command = [os.path.join(binaries, "pingti-server"), "--config", config,
                   "--grpc", f"127.0.0.1:{self.port}",
                   "--metrics", f"127.0.0.1:{self.metrics_port}"]
        # What the server would say of a configuration that it cannot use is asked for first.
        check = subprocess.run([command[0], "--check-config", config], check=False,
                               capture_output=True, text=True, env={**os.environ, **environment})
        if check.returncode != 0:
            raise StartError(f"{name}: {check.stderr.strip()}")
        process = Process(name, command, log, environment)
        process.wait_for_port(self.port)
        super().__init__(name, process, [])

    def address_with(self, *flags):
        return ["--grpc", f"127.0.0.1:{self.port}", *flags]

    def metrics(self):
        """What a scrape says, as text."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.read().decode("utf-8")


class Pingti(PingtiServer):
    """pingti-server with config/pingti.yaml."""

    def __init__(self, name, provider, binaries):
        key, record = make_key()
        refused_key, refused_record = make_key()
        super().__init__(name, binaries, os.path.join(CONFIG, "pingti.yaml"),
                         {"PINGTI_BENCH_UPSTREAM": provider.url, "PINGTI_BENCH_KEY": record,
                          "PINGTI_BENCH_REFUSED_KEY": refused_record,
                          "PINGTI_BENCH_POLICY": PINGTI_POLICY[name]})
        self.address = self.address_with("--key", key)
        self.refused = Aimed("pingti", self, self.address_with("--key", refused_key),
                             ("RESOURCE_EXHAUSTED",))


class BareGrpc(Arm):
    """A gRPC server that gives each call the same answer, or the same refusal."""

    speaks = "gRPC"

    def __init__(self, name, binaries, directory):
        port = free_port()
        refuses = BARE_REFUSES[name]
        process = Process(name, [os.path.join(binaries, "bare-grpc"),
                                 "--grpc", f"127.0.0.1:{port}"] + ["--refuse"] * refuses,
                          os.path.join(directory, f"{name}.log"))
        process.wait_for_port(port)
        super().__init__(name, process, ["--grpc", f"127.0.0.1:{port}"])
        if refuses:
            self.errors_allowed = ("RESOURCE_EXHAUSTED",)


class Portkey(Arm):
    """Portkey's gateway from npm, installed below the build folder on first use."""

    rival = True

    def __init__(self, provider, directory, build):
        home = os.path.join(build, "bench", "portkey")
        package = os.path.join(home, "node_modules", "@portkey-ai", "gateway")
        if not os.path.exists(package):
            os.makedirs(home, exist_ok=True)
            print(f"installing @portkey-ai/gateway {PORTKEY_VERSION} into {home}", flush=True)
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", home,
                            f"@portkey-ai/gateway@{PORTKEY_VERSION}"], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = free_port()
        with open(os.path.join(package, "package.json"), encoding="utf-8") as file:
            self._version = json.load(file)["version"]
        process = Process("portkey", ["node", os.path.join(package, "build", "start-server.js"),
                                      f"--port={port}", "--headless"],
                          os.path.join(directory, "portkey.log"), {"NODE_ENV": "production"})
        process.wait_for_port(port)
        super().__init__("portkey", process,
                         ["--http", f"http://127.0.0.1:{port}/v1/chat/completions",
                          "--key", "bench",
                          "--header", "x-portkey-provider: openai",
                          "--header", f"x-portkey-custom-host: {provider.url}"])

    def version(self):
        return self._version


def start(name, provider, build, directory):
    """Starts the arm `name`; None, with a word why, where this machine has not what it needs."""
    binaries = os.path.join(build, "bin")
    if name == "direct":
        return Direct(provider)
    if name == "nginx":
        if shutil.which("nginx") is None:
            print("no arm nginx: it is not installed (Debian package nginx-light)")
            return None
        return Nginx(provider, directory)
    if name == "portkey":
        if shutil.which("npm") is None:
            print("no arm portkey: there is no npm")
            return None
        return Portkey(provider, directory, build)
    program = "bare-grpc" if name in BARE_REFUSES else "pingti-server"
    if not os.path.exists(os.path.join(binaries, program)):
        print(f"no arm {name}: {binaries}/{program} is not built")
        return None
    if name in BARE_REFUSES:
        return BareGrpc(name, binaries, directory)
    return Pingti(name, provider, binaries)


def requests_served(provider):
    """How many requests have reached the provider so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{provider.port}/sim/stats", timeout=5) as reply:
        return json.load(reply)["requests"]


__all__ = ["ALL", "Aimed", "CONFIG", "DEFAULT", "PingtiServer", "Provider", "StartError",
           "make_key", "requests_served", "start"]
