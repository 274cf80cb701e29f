"""The first call as README.md has it: each program is cut out of the page and run as it stands,
with only the server's address changed. The server has the configuration of `./dev run`, and HOME
the key where that keeps it. Go is left out: its packages would have to be fetched.

Environment: PINGTI_SOURCE, the repository; PINGTI_BUILD, the build tree with bin/; NODE, the
program node; PYTHONPATH with programs.py and in_venv.py; PINGTI_TEST_SLOWDOWN, how much slower than
a release build the programs may be; CI, under which nothing may be skipped.
"""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import in_venv
from programs import Program

SOURCE = pathlib.Path(os.environ["PINGTI_SOURCE"])
BIN = pathlib.Path(os.environ["PINGTI_BUILD"]) / "bin"
RUN_SECONDS = 60 * float(os.environ.get("PINGTI_TEST_SLOWDOWN", "1"))
VENV = SOURCE / "build/readme-venv"
REQUIREMENTS = SOURCE / "tests/integration/readme/requirements.txt"
NODE_MODULES = SOURCE / "tests/integration/node/node_modules"
README = (SOURCE / "README.md").read_text(encoding="utf-8")
ADDRESS = "127.0.0.1:50051"
PROMPT = "say hello in Chinese"

# Nobody's own keys, targets and Redis.
CLEAN = {name: value for name, value in os.environ.items()
         if not name.startswith(("PINGTI_", "PYTHONPATH", "XDG_")) and
         not name.endswith("_API_KEY")}


def block(language):
    """The one block of that language in the page."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"README.md has {len(found)} blocks of {language}"
    return found[0]


def make_key():
    made = subprocess.run([BIN / "pingti-server", "--make-key"], check=True, capture_output=True,
                          text=True).stdout
    return (re.search(r"^key: (\S+)$", made, re.MULTILINE)[1],
            re.search(r"^record: (\S+)$", made, re.MULTILINE)[1])


class ReadmeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.home = pathlib.Path(folder.name)
        key, record = make_key()
        file = cls.home / ".config/pingti/key"
        file.parent.mkdir(parents=True)
        file.touch(mode=0o600)
        file.write_text(key + "\n")

        provider = Program([BIN / "simulated-provider", "--port", "0"],
                           [r"^listening on 127\.0\.0\.1:(\d+)"], env=CLEAN)
        cls.addClassCleanup(provider.stop)
        environment = dict(
            CLEAN, PINGTI_DEVELOPMENT_KEY_RECORD=record,
            PINGTI_SIMULATED_PROVIDER_URL=f"http://127.0.0.1:{provider.ports[0]}/v1")
        cls.server = Program(
            [BIN / "pingti-server", "--config", SOURCE / "config/pingti.yaml",
             "--grpc", "127.0.0.1:0", "--metrics", "127.0.0.1:0"],
            [r"^grpc listening on 127\.0\.0\.1:(\d+)"], env=environment)
        cls.addClassCleanup(cls.server.stop)
        cls.address = f"127.0.0.1:{cls.server.ports[0]}"
        cls.answer = cls.output_of(BIN / "pingti", "chat", PROMPT, PINGTI_TARGET=cls.address)
        assert PROMPT in cls.answer, cls.answer

    @classmethod
    def output_of(cls, *command, **environment):
        """What the program prints; run where the page says, at the top of the repository."""
        run = subprocess.run(
            command, cwd=SOURCE, env={**CLEAN, "HOME": str(cls.home), **environment},
            stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False,
            timeout=RUN_SECONDS)
        assert run.returncode == 0, f"{command} ended with {run.returncode}:\n{run.stderr}"
        return run.stdout.strip()

    def file_with(self, name, program):
        """The program in a file of this name, with the address of this server."""
        self.assertEqual(program.count(ADDRESS), 1)
        file = self.home / name
        file.write_text(program.replace(ADDRESS, self.address), encoding="utf-8")
        return file

    def skip(self, why):
        if os.environ.get("CI"):
            self.fail(why)
        self.skipTest(why)

    def test_python(self):
        try:
            in_venv.prepare(VENV, REQUIREMENTS)
        except (subprocess.CalledProcessError, OSError) as error:
            self.skip(f"{error}; needs Debian's python3-venv (./dev setup) and a package index")
        file = self.file_with("hello.py", block("python"))
        self.assertEqual(self.output_of(VENV / "bin/python", file), self.answer)

    def test_node(self):
        node = os.environ["NODE"]
        if not os.path.isfile(node) or not (NODE_MODULES / "@grpc/grpc-js").is_dir():
            self.skip("needs Node and `npm ci` in tests/integration/node, or ./dev test")
        file = self.file_with("hello.js", block("js"))
        self.assertEqual(self.output_of(node, file, NODE_PATH=str(NODE_MODULES)), self.answer)

    def test_cpp_is_the_example(self):
        example = (SOURCE / "client/example/hello.cc").read_text(encoding="utf-8")
        self.assertEqual(block("cpp"), example)
        self.assertEqual(example.count(ADDRESS), 2)  # the comment and the default

    def test_cpp(self):
        self.assertEqual(self.output_of(BIN / "pingti-hello", self.address), self.answer)


if __name__ == "__main__":
    unittest.main(verbosity=2)
