"""`./dev run` as a person uses it on a new machine: what it says and leaves behind, how it ends.

It serves what is built and builds nothing: ctest runs after the build, perhaps beside others.

Environment: PINGTI_SOURCE, the repository, built into build/.
"""

import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
import unittest
import uuid

SOURCE = pathlib.Path(os.environ["PINGTI_SOURCE"])
MARK = "PINGTI_DEV_RUN_TEST"  # an environment variable by which its processes are known
SECONDS_MAX = 60  # of anything that is going to happen
STARTS_MAX = 3  # another program may take a port that was free

PROVIDER_KEYS = ("OPENAI_API_KEY", "YI_API_KEY", "DEEPSEEK_API_KEY", "DASHSCOPE_API_KEY",
                 "MOONSHOT_API_KEY", "ZHIPU_API_KEY")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def eventually(done):
    """What `done` returns, once that is true; else what it returned last."""
    end = time.monotonic() + SECONDS_MAX
    waiter = threading.Event()
    while not (result := done()) and time.monotonic() < end:
        waiter.wait(0.02)
    return result


class DevRun:
    """One `./dev run`, in a session of its own. Ends with the block that it is used in."""

    def __init__(self, config_home, environment):
        self.mark = uuid.uuid4().hex
        self.environment = {name: value for name, value in os.environ.items()
                            if name not in PROVIDER_KEYS and not name.startswith("PINGTI_")}
        self.environment.update({"XDG_CONFIG_HOME": config_home, "XDG_STATE_HOME": config_home,
                                 "PINGTI_SKIP_BUILD": "1", MARK: self.mark}, **environment)
        self.grpc = f"127.0.0.1:{free_port()}"
        self.metrics = f"127.0.0.1:{free_port()}"
        self.said = ""
        self.process = subprocess.Popen(
            ["./dev", "run", "--grpc", self.grpc, "--metrics", self.metrics], cwd=SOURCE,
            env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.said += line

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()

    def serves(self):
        return "Ctrl-C drains" in self.said

    def starts(self):
        """Whether it serves, after a while."""
        eventually(lambda: self.serves() or self.process.poll() is not None)
        return self.serves()

    def processes(self):
        """Ids of all that belongs to it, also of what it has forgotten."""
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                mine = f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes()
                # One that has ended and was not yet waited for has no command line.
                if mine and (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
            except OSError:  # it ended, or is not ours
                continue
        return found

    def command_lines(self):
        lines = []
        for pid in self.processes():
            try:
                text = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode()
            except OSError:
                continue
            lines.append(text.replace("\0", " ").strip())
        return lines

    def ctrl_c(self):
        """As on a terminal: to the whole group in the foreground. Its exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(SECONDS_MAX)


def dev_run(config_home, environment=None):
    """One that serves."""
    for _ in range(STARTS_MAX):
        run = DevRun(config_home, environment or {})
        if run.starts():
            return run
        run.__exit__()
        if "in use" not in run.said:
            break
    raise AssertionError(f"./dev run does not start:\n{run.said}")


class DevRunTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="pingti-dev-run-")
        self.addCleanup(self.folder.cleanup)
        self.key_file = pathlib.Path(self.folder.name) / "pingti" / "key"

    def chat(self, run):
        return self.pingti(run, "chat", "hi")

    def pingti(self, run, *arguments):
        return subprocess.run(
            [SOURCE / "build/bin/pingti", "--target", run.grpc, *arguments],
            env=run.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=SECONDS_MAX, check=False)

    def expect_clean_end(self, run):
        kept = {line.split("--port-file ")[1].split()[0] for line in run.command_lines()
                if "--port-file " in line}
        self.assertEqual(run.ctrl_c(), 0, run.said)
        self.assertEqual(eventually(lambda: not run.processes()), True, run.command_lines())
        for port_file in kept:
            self.assertFalse((SOURCE / port_file).parent.exists(), f"{port_file} was left behind")

    def test_without_any_key_it_serves_made_up_answers_and_says_so(self):
        with dev_run(self.folder.name) as run:
            self.assertRegex(run.said, r"SIMULATED: there is no provider's key in the environment")
            self.assertRegex(run.said, r"no model is behind them")
            self.assertIn(run.grpc, run.said)
            self.assertIn(f"http://{run.metrics}/metrics", run.said)
            key = re.search(r"your key +(pt_\S+)", run.said)
            self.assertTrue(key, run.said)
            self.assertEqual(self.key_file.read_text(), key[1] + "\n")
            self.assertEqual(stat.S_IMODE(self.key_file.stat().st_mode), 0o600)
            self.assertEqual(stat.S_IMODE(self.key_file.parent.stat().st_mode), 0o700)
            self.assertTrue(any("simulated-provider" in line for line in run.command_lines()))
            answer = self.chat(run)
            self.assertEqual(answer.returncode, 0, answer.stderr)
            self.assertTrue(answer.stdout.strip())
            self.expect_clean_end(run)

        with dev_run(self.folder.name) as again:  # with the key that is there
            self.assertNotIn("your key", again.said)
            self.assertNotIn(key[1], again.said)
            self.assertEqual(self.key_file.read_text(), key[1] + "\n")
            self.assertEqual(self.chat(again).returncode, 0)
            self.expect_clean_end(again)

    def test_its_ledger_is_kept_and_its_administrator_pays_in(self):
        admin_key_file = self.key_file.with_name("admin-key")
        with dev_run(self.folder.name) as run:
            self.assertEqual(stat.S_IMODE(admin_key_file.stat().st_mode), 0o600)
            self.assertNotIn(admin_key_file.read_text().strip(), run.said)
            paid = self.pingti(run, "topup", "development", "10", "--reference", "first")
            self.assertEqual(paid.returncode, 0, paid.stderr)
            self.assertIn("10.00 CNY paid in, 5.00 CNY of bonus", paid.stdout)
            verified = self.pingti(run, "ledger", "verify")
            self.assertEqual(verified.returncode, 0, verified.stderr)
            self.expect_clean_end(run)
        with dev_run(self.folder.name) as again:
            balance = self.pingti(again, "balance")
            self.assertEqual(balance.returncode, 0, balance.stderr)
            self.assertIn("115.00", balance.stdout)
            self.expect_clean_end(again)

    def test_with_a_providers_key_nothing_is_simulated(self):
        with dev_run(self.folder.name, {"OPENAI_API_KEY": "x"}) as run:
            self.assertRegex(run.said, r"answers +OpenAI")
            self.assertNotIn("SIMULATED:", run.said)
            self.assertTrue(any("pingti-server" in line for line in run.command_lines()))
            self.assertEqual([c for c in run.command_lines() if "simulated-provider" in c], [])
            self.expect_clean_end(run)

    def test_a_port_that_is_taken_ends_it_with_the_reason(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            environment = {**os.environ, "XDG_CONFIG_HOME": self.folder.name,
                           "XDG_STATE_HOME": self.folder.name, "PINGTI_SKIP_BUILD": "1"}
            ended = subprocess.run(
                ["./dev", "run", "--grpc", address, "--metrics", "127.0.0.1:0"], cwd=SOURCE,
                env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, timeout=SECONDS_MAX, check=False)
        self.assertEqual(ended.returncode, 1, ended.stdout)
        self.assertIn(address, ended.stdout)
        self.assertIn("in use", ended.stdout)
        self.assertNotIn("Pingti serves", ended.stdout)


if __name__ == "__main__":
    # A shell in the background has it ignored, and bash then never sees it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    unittest.main(verbosity=2)
