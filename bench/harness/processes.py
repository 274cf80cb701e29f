"""Starting and stopping what a benchmark needs, and nothing else on the machine."""

import os
import socket
import subprocess
import time

START_SECONDS = 30
STOP_SECONDS = 10


class StartError(RuntimeError):
    """A process did not come up; the message says which and where its log is."""


def free_port():
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A child process with its output in a log file."""

    def __init__(self, name, command, log, env=None):
        self.name = name
        self.log = log
        with open(log, "wb") as out:
            self._popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                                           stderr=out, env={**os.environ, **(env or {})})

    @property
    def pid(self):
        return self._popen.pid

    def pids(self):
        """The process and its descendants."""
        found, queue = [], [self.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as children:
                    queue += [int(child) for child in children.read().split()]
        return found

    def alive(self):
        return self._popen.poll() is None

    def rss_bytes(self):
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
                total += int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return total

    def wait_until(self, ready, what):
        """Polls `ready` until it gives a true value, and returns that."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self.alive():
                break
            value = ready()
            if value:
                return value
            time.sleep(0.02)
        self.stop()
        raise StartError(f"{self.name}: no {what}; its log is {self.log}")

    def wait_for_port(self, port):
        def connects():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        self.wait_until(connects, f"answer on port {port}")

    def stop(self):
        if not self.alive():
            return
        self._popen.terminate()
        try:
            self._popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
