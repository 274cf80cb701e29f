"""`pingti prices import`: exit codes and output, and that the server takes it.

What becomes of each entry is tested in tests/unit/command/price_import_test.cc with the same files.

Environment: PINGTI_SOURCE, the repository; PINGTI_BUILD, the build tree with bin/.
"""

import os
import pathlib
import subprocess
import tempfile
import unittest

BIN = pathlib.Path(os.environ["PINGTI_BUILD"]) / "bin"
HERE = pathlib.Path(os.environ["PINGTI_SOURCE"]) / "tests" / "integration" / "prices"
SAMPLE = HERE / "sample.json"
GOLDEN = (HERE / "sample.golden.yaml").read_text(encoding="utf-8")
DATE = ("--date", "2024-11-20")
TAKEN = ("gpt-4o", "gpt-3.5-turbo-0125", "deepseek/deepseek-chat", "finest", *DATE)

PROVIDERS = """
providers:
  - {name: openai, dialect: openai, base_url: "http://127.0.0.1:1", no_key: true}
  - {name: deepseek, dialect: openai, base_url: "http://127.0.0.1:1", no_key: true}
  - {name: fine, dialect: openai, base_url: "http://127.0.0.1:1", no_key: true}
billing:
  exchange_rates: [{from: USD, to: CNY, rate: 7.2689, date: 2024-06-27}]
"""


def run(*arguments, file=SAMPLE, text=None):
    """Exit code, output and errors of the command."""
    done = subprocess.run([BIN / "pingti", "prices", "import", str(file), *arguments], input=text,
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def check_config(text):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "pingti.yaml"
        path.write_text(text, encoding="utf-8")
        return subprocess.run([BIN / "pingti-server", "--check-config", path], capture_output=True,
                              text=True, check=False)


class ImportPricesTest(unittest.TestCase):
    def test_golden_from_a_file_and_from_standard_input(self):
        self.assertEqual(run(*TAKEN), (0, GOLDEN, ""))
        sample = SAMPLE.read_text(encoding="utf-8")
        self.assertEqual(run(*TAKEN, file="-", text=sample), (0, GOLDEN, ""))

    def test_the_server_takes_the_golden_file(self):
        checked = check_config(PROVIDERS + GOLDEN)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        # That it looks at the prices: one of them changed is refused by name.
        broken = check_config(PROVIDERS + GOLDEN.replace("input: 2.5,", "input: 2.5000001,"))
        self.assertNotEqual(broken.returncode, 0)
        self.assertIn("models[0].prices[0].input", broken.stderr)

    def test_the_server_takes_any_source(self):
        code, out, err = run(*TAKEN, "--source", 'a "page" \\ of ${HOME} and $x: 价格 # 1')
        self.assertEqual((code, err), (0, ""))
        checked = check_config(PROVIDERS + out)
        self.assertEqual(checked.returncode, 0, checked.stderr)

    def test_each_mistake_is_named_and_nothing_written(self):
        with tempfile.TemporaryDirectory() as folder:
            output = pathlib.Path(folder) / "out.yaml"
            code, out, err = run("--provider", "odd", *DATE, "--output", str(output))
            self.assertEqual((code, out), (2, ""))
            self.assertEqual(list(pathlib.Path(folder).iterdir()), [])
            self.assertEqual(err.count("\n"), 6, err)
            for part in ("too-fine: input_cost_per_token",
                         "no-output: it has no output_cost_per_token",
                         "endless: it has no max_input_tokens", "refund: input_cost_per_token is",
                         "dear: input_cost_per_token is", "cheap: input_cost_per_token is"):
                self.assertIn(f"{SAMPLE}: {part}", err)
            self.assertEqual(run(*TAKEN, "--output", str(output)), (0, "", ""))
            self.assertEqual(output.read_text(encoding="utf-8"), GOLDEN)

    def test_wrong_usage(self):
        self.assertEqual(run("gpt-4o", "--date", "June")[0], 2)
        self.assertEqual(run(*DATE)[0], 2)


if __name__ == "__main__":
    unittest.main()
