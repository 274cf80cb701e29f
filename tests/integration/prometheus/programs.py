"""Starts programs that say on a line of their output where they listen, and stops them."""

import collections
import os
import queue
import re
import subprocess
import threading
import time

SLOWDOWN = float(os.environ.get("PINGTI_TEST_SLOWDOWN", "1"))
START_SECONDS = 60 * SLOWDOWN
STOP_SECONDS = 30 * SLOWDOWN
LINES_MAX = 200  # of a program's last output, for messages


class Program:
    """A running program. `ports` are what the patterns (one group each) found in its output."""

    def __init__(self, command, patterns, env=None):
        self.command = command
        self._lines = queue.Queue()
        self._last = collections.deque(maxlen=LINES_MAX)
        # The kernel ends it with the thread that starts it, however that ends: the main one.
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command], env=env, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.ports = self._find(list(patterns))
        except BaseException:
            self.stop()
            raise

    def _read(self):
        for line in self._process.stdout:
            self._last.append(line)
            self._lines.put(line)
        self._lines.put(None)

    def _find(self, patterns):
        end = time.monotonic() + START_SECONDS
        found = {}
        while len(found) < len(patterns):
            try:
                line = self._lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise RuntimeError(f"{self.command} did not say where it listens:\n{self.output()}")
            for pattern in patterns:
                if match := re.search(pattern, line):
                    found[pattern] = int(match[1])
        return [found[pattern] for pattern in patterns]

    def output(self):
        """The last lines that it wrote, and whether it still runs."""
        code = self._process.poll()
        return "".join(self._last) + ("(runs)" if code is None else f"(ended with {code})")

    def stop(self):
        """Ends it; the exit code."""
        self._process.terminate()
        try:
            code = self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        return code
