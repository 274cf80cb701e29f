"""The first stage of deploy/Containerfile builds from what it copies.

What it copies goes into an empty folder, and there runs its own configure command; then Ninja has
to find every source, and the sources every header. Nothing is compiled: that takes minutes, and
says nothing about the copying that this does not.

Environment: PINGTI_SOURCE, the repository.
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["PINGTI_SOURCE"])
CONTAINERFILE = SOURCE / "deploy" / "Containerfile"

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
# Made from proto/ by the build.
GENERATED = re.compile(r"\.pb\.h$")


def instructions(text):
    """Of a Containerfile: (word, rest), with comments gone and continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        yield word.upper(), rest.strip()


def first_stage():
    stage = []
    for word, rest in instructions(CONTAINERFILE.read_text()):
        if word == "FROM" and stage:
            return stage
        stage.append((word, rest))
    raise AssertionError("the Containerfile has one stage")


def copies(stage):
    """(sources, destination) of each COPY."""
    for word, rest in stage:
        if word == "COPY":
            *sources, destination = shlex.split(rest)
            assert not any(source.startswith("--") for source in sources), f"COPY {rest}"
            yield sources, destination


def commands(stage):
    """Each command of its RUNs."""
    for word, rest in stage:
        if word == "RUN":
            yield from (shlex.split(command) for command in rest.split("&&"))


def copy(source, destination, into):
    """As COPY does it: a folder's contents, or a file, into a folder that ends in a slash."""
    target = into / destination
    if (SOURCE / source).is_dir():
        shutil.copytree(SOURCE / source, target, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
        return
    if destination.endswith("/"):
        target.mkdir(parents=True, exist_ok=True)
    shutil.copy2(SOURCE / source, target)


def run(command, folder):
    """Its output, and whether it worked."""
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, stdin=subprocess.DEVNULL, check=False)
    return done.stdout, done.returncode == 0


def missing_headers(folder):
    """Headers that the sources name by their path in the repository, and that are not there."""
    missing = set()
    for path in folder.glob("*/**/*"):
        if path.suffix not in (".cc", ".h") or "build" in path.relative_to(folder).parts:
            continue
        for name in INCLUDE.findall(path.read_text()):
            known = GENERATED.search(name) or (folder / name).exists()
            # The rest belongs to Debian's packages.
            if not known and (SOURCE / name.split("/")[0]).is_dir():
                missing.add(f"{path.relative_to(folder)} includes {name}")
    return sorted(missing)


def configure_command(stage):
    found = [command for command in commands(stage) if command[0] == "cmake"]
    assert len(found) == 1, f"{len(found)} cmake commands"
    return found[0]


def build_targets(stage):
    found = [command for command in commands(stage) if command[:2] == ["./dev", "build"]]
    assert len(found) == 1, f"{len(found)} build commands"
    return found[0][2:]


def what_fails(folder, stage):
    """Why the first stage would not build in that folder; empty: it would."""
    for command in commands(stage):
        if "/" in command[0] and not os.access(folder / command[0], os.X_OK):
            return f"{command[0]} is not there"
    output, worked = run(["./dev", "help"], folder)
    if not worked:
        return output
    output, worked = run(configure_command(stage), folder)
    if not worked:
        return output
    output, worked = run(["ninja", "-C", "build", "-n", *build_targets(stage)], folder)
    if not worked:
        return output
    return "\n".join(missing_headers(folder))


class Containerfile(unittest.TestCase):
    def setUp(self):
        self.stage = first_stage()
        self.all = [(source, destination) for sources, destination in copies(self.stage)
                    for source in sources]

    def check(self, chosen):
        with tempfile.TemporaryDirectory(prefix="pingti-containerfile-") as folder:
            folder = pathlib.Path(folder)
            for source, destination in chosen:
                copy(source, destination, folder)
            return what_fails(folder, self.stage)

    def test_copies_only_what_is_there(self):
        for source, _ in self.all:
            self.assertTrue((SOURCE / source).exists(), source)

    def test_first_stage_builds_from_what_it_copies(self):
        self.assertEqual(self.check(self.all), "")

    def test_needs_each_of_its_copies(self):
        for left_out in self.all:
            with self.subTest(left_out=left_out[0]):
                self.assertNotEqual(self.check([c for c in self.all if c != left_out]), "")

    def test_second_stage_takes_what_the_first_one_makes(self):
        text = CONTAINERFILE.read_text()
        for target in build_targets(self.stage):
            self.assertIn(f"/src/build/bin/{target}", text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
