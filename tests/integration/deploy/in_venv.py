"""Runs a Python script in a virtual environment with given requirements.

    in_venv.py VENV REQUIREMENTS SCRIPT [ARGUMENT...]

Makes the environment if it is not there, was not finished, or had other requirements; who comes
meanwhile waits. Where that is impossible (no venv module, no package index) it says so and exits
with 77, which ctest counts as skipped; on CI (CI is set) it exits with 1.
"""

import fcntl
import os
import pathlib
import shutil
import subprocess
import sys


TRIES = 3  # a package index does not always answer


def make(venv: pathlib.Path, requirements: pathlib.Path) -> None:
    shutil.rmtree(venv, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    subprocess.run(
        [str(venv / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check",
         "--requirement", str(requirements)],
        check=True)


def prepare(venv: pathlib.Path, requirements: pathlib.Path) -> None:
    stamp = venv / "finished-requirements.txt"
    wanted = requirements.read_text() + sys.version
    venv.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{venv}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        for tries_left in reversed(range(TRIES)):
            try:
                make(venv, requirements)
                break
            except (subprocess.CalledProcessError, OSError):
                if tries_left == 0:
                    raise
        stamp.write_text(wanted)


def main() -> None:
    venv, requirements, script = (pathlib.Path(a).resolve() for a in sys.argv[1:4])
    try:
        prepare(venv, requirements)
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"cannot make {venv}: {error}\n"
              "needs Debian's python3-venv (./dev setup) and a Python package index")
        sys.exit(1 if os.environ.get("CI") else 77)
    python = str(venv / "bin" / "python")
    os.execv(python, [python, str(script), *sys.argv[4:]])


if __name__ == "__main__":
    main()
