"""scripts/import_prices.py: exact numbers, a golden file, and that the server takes the output.

Environment: PINGTI_SOURCE, the repository; PINGTI_BUILD, the build tree with bin/pingti-server.
"""

import contextlib
import importlib.util
import io
import os
import pathlib
import random
import subprocess
import tempfile
import unittest
from decimal import Decimal
from fractions import Fraction

SOURCE = pathlib.Path(os.environ["PINGTI_SOURCE"])
SERVER = pathlib.Path(os.environ["PINGTI_BUILD"]) / "bin" / "pingti-server"
HERE = SOURCE / "tests" / "integration" / "prices"
SAMPLE = HERE / "sample.json"

_spec = importlib.util.spec_from_file_location("import_prices", SOURCE / "scripts/import_prices.py")
import_prices = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(import_prices)

PROVIDERS = """
providers:
  - {name: openai, dialect: openai, base_url: "http://127.0.0.1:1", no_key: true}
  - {name: deepseek, dialect: openai, base_url: "http://127.0.0.1:1", no_key: true}
  - {name: fine, dialect: openai, base_url: "http://127.0.0.1:1", no_key: true}
billing:
  exchange_rates: [{from: USD, to: CNY, rate: 7.2689, date: 2024-06-27}]
"""


def run(*arguments):
    """Exit code, output and errors of the script."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = import_prices.main([str(SAMPLE), *arguments])
        except SystemExit as stop:  # of argparse
            code = stop.code
    return code, out.getvalue(), err.getvalue()


def check_config(text):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "pingti.yaml"
        path.write_text(text, encoding="utf-8")
        return subprocess.run([SERVER, "--check-config", path], capture_output=True, text=True,
                              check=False)


class ImportPricesTest(unittest.TestCase):
    def test_golden(self):
        code, out, err = run("gpt-4o", "gpt-3.5-turbo-0125", "deepseek/deepseek-chat", "finest",
                             "--date", "2024-11-20")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out, (HERE / "sample.golden.yaml").read_text(encoding="utf-8"))

    def test_the_server_takes_the_golden_file(self):
        golden = (HERE / "sample.golden.yaml").read_text(encoding="utf-8")
        checked = check_config(PROVIDERS + golden)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        # That it looks at the prices: one of them changed is refused by name.
        broken = check_config(PROVIDERS + golden.replace("input: 2.5,", "input: 2.5000001,"))
        self.assertNotEqual(broken.returncode, 0)
        self.assertIn("models[0].prices[0].input", broken.stderr)

    def test_all_chat_models_of_a_provider(self):
        code, out, _ = run("--provider", "openai", "--date", "2024-11-20", "--as", "ours")
        self.assertEqual(code, 0)
        self.assertEqual(out.count("  - name:"), 2)
        self.assertEqual(out.count("provider: ours"), 2)
        self.assertNotIn("embedding", out)

    def test_the_same_model_under_two_names_is_one(self):
        code, out, _ = run("--provider", "deepseek", "--date", "2024-11-20")
        self.assertEqual(code, 0)
        self.assertEqual(out.count("  - name:"), 1)

    def test_each_mistake_is_named_and_nothing_printed(self):
        code, out, err = run("--provider", "odd", "--date", "2024-11-20")
        self.assertEqual((code, out), (1, ""))
        for part in ("too-fine: input_cost_per_token", "no-output: it has no output_cost_per_token",
                     "endless: it has no max_input_tokens", "refund: input_cost_per_token is",
                     "dear: input_cost_per_token is", "cheap: input_cost_per_token is"):
            self.assertIn(part, err)
        self.assertEqual(err.count("\n"), 6, err)

    def test_a_price_in_quotes_or_a_model_that_is_not_there(self):
        self.assertIn("'1e-06', which is no number", run("quoted", "--date", "2024-11-20")[2])
        code, out, err = run("gpt-4o", "gpt-4x", "--date", "2024-11-20")
        self.assertEqual((code, out), (1, ""))
        self.assertIn("there is no model gpt-4x", err)
        self.assertIn("mode is 'embedding'",
                      run("text-embedding-3-small", "--date", "2024-11-20")[2])
        self.assertEqual(run("gpt-4o", "--date", "June")[0], 2)

    def test_numbers_are_exact(self):
        chance = random.Random(20240611)
        for _ in range(20_000):
            digits = chance.randrange(10**chance.randrange(1, 12))
            exponent = chance.randrange(-20, 1)
            text = f"{digits}e{exponent}"
            exact = Fraction(digits) * Fraction(10)**exponent * 10**12
            fits = exact.denominator == 1 and exact <= 10**12
            try:
                pico = import_prices.pico_of(Decimal(text), "x")
                self.assertTrue(fits, text)
                self.assertEqual(pico, exact, text)
                self.assertEqual(Fraction(import_prices.per_million(pico)) * 10**6, exact, text)
            except import_prices.Refused:
                self.assertFalse(fits, text)


if __name__ == "__main__":
    unittest.main()
