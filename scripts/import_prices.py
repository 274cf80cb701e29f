#!/usr/bin/env python3
"""Prices for the catalogue, out of LiteLLM's model_prices_and_context_window.json.

    scripts/import_prices.py FILE --date 2024-06-01 [--provider openai] [--as NAME] [MODEL...]

Prints YAML for `models:` of a catalogue: the models that are named, or all chat models of a
provider. `--date` is the day from which on the prices are in force. They are marked as not
verified: compare them with the provider's own page before you say otherwise. Each number is taken
over exactly as the file writes it (2.5e-06 per token is 2.5 per million); one that is no whole
number of 1e-12 units per token is an error, as is whatever makes a model unusable. Only the
standard library is used. docs/billing.md says what the numbers mean.
"""

import argparse
import datetime
import json
import re
import sys
from decimal import Decimal, InvalidOperation
from typing import Any, Iterable, Optional

PICO_DIGITS = 12  # of a unit per token
PRICE_PICO_MAX = 10**12  # a million units per million tokens: what the server takes
NAME = re.compile(r"[!#%&(-~]{1,128}")  # visible ASCII without $ and quotes
SOURCE = "model_prices_and_context_window.json of BerriAI/litellm"


class Refused(Exception):
    """A model that cannot be taken over, with the reason."""


def pico_of(value: Any, field: str) -> int:
    """A price per token in units, as 1e-12 units; exactly, or Refused."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise Refused(f"{field} is {value!r}, which is no number")
    sign, digits, exponent = Decimal(value).as_tuple()
    if not isinstance(exponent, int):
        raise Refused(f"{field} is {value}, which is no number")
    number = int("".join(map(str, digits)))
    if number == 0:
        return 0
    if sign:
        raise Refused(f"{field} is {value}, which is below zero")
    shift = exponent + PICO_DIGITS
    if shift > PICO_DIGITS:
        raise Refused(f"{field} is {value}, which is more than any price")
    if shift < 0:
        digits_cut = min(-shift, len(digits) + 1)  # 10 to a larger power cuts all of them, too
        number, rest = divmod(number, 10**digits_cut)
        if rest:
            raise Refused(f"{field} is {value}, which is no whole number of 1e-12 per token")
        shift = 0
    pico = number * 10**shift
    if pico > PRICE_PICO_MAX:
        raise Refused(f"{field} is {value}, which is more than any price")
    return pico


def per_million(pico: int) -> str:
    """Pico-units per token as units per million tokens, for YAML."""
    whole, fraction = divmod(pico, 10**6)
    text = f"{whole}.{fraction:06d}".rstrip("0")
    return text.rstrip(".")


def tokens_of(entry: dict, *fields: str) -> Optional[int]:
    """The first of these fields that has a number of tokens."""
    for field in fields:
        value = entry.get(field)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 10**8:
            return value
    return None


def left_out(entry: dict) -> list[str]:
    """Fields with prices that the catalogue has no place for."""
    known = {"input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost"}
    return sorted(field for field, value in entry.items()
                  if "cost" in field and field not in known and value not in (None, 0))


def model_lines(name: str, entry: dict, arguments: argparse.Namespace) -> list[str]:
    """The model as an entry of `models:`."""
    if not NAME.fullmatch(name):
        raise Refused("its name is none that the catalogue takes")
    if entry.get("mode") != "chat":
        raise Refused(f"its mode is {entry.get('mode')!r}, not 'chat'")
    for field in ("input_cost_per_token", "output_cost_per_token"):
        if entry.get(field) is None:
            raise Refused(f"it has no {field}")
    context = tokens_of(entry, "max_input_tokens", "max_tokens")
    if context is None:
        raise Refused("it has no max_input_tokens")
    output_max = tokens_of(entry, "max_output_tokens")
    prices = [f"since: {arguments.date}", "currency: USD"]
    for field, ours in (("input_cost_per_token", "input"),
                        ("cache_read_input_token_cost", "cached_input"),
                        ("output_cost_per_token", "output")):
        if entry.get(field) is not None:
            prices.append(f"{ours}: {per_million(pico_of(entry[field], field))}")
    prices.append("verified: false")
    lines = [f"  - name: {json.dumps(name)}", f"    provider: {arguments.provider_name(entry)}",
             f"    context_tokens: {context}"]
    if output_max is not None and output_max <= context:
        lines.append(f"    output_tokens_max: {output_max}")
    if entry.get("supports_vision") is True:
        lines.append("    vision: true")
    if entry.get("supports_function_calling") is True:
        lines.append("    tools: true")
    lines += [f"    source: {json.dumps(arguments.source)}", "    prices:",
              f"      - {{{', '.join(prices)},",
              f"         source: {json.dumps(arguments.source)}}}"]
    if left_out(entry):
        lines.append(f"    # Not taken over: {', '.join(left_out(entry))}.")
    return lines


def short_name(key: str, entry: dict) -> str:
    """`deepseek-chat` for LiteLLM's `deepseek/deepseek-chat`."""
    prefix = f"{entry.get('litellm_provider')}/"
    return key.removeprefix(prefix)


def chosen(prices: dict, arguments: argparse.Namespace) -> Iterable[tuple[str, dict]]:
    """The entries that were asked for, in the file's order."""
    missing = set(arguments.models)
    for key, entry in prices.items():
        if not isinstance(entry, dict):
            continue
        named = {key, short_name(key, entry)} & set(arguments.models)
        missing -= named
        of_provider = arguments.provider in (None, entry.get("litellm_provider"))
        if arguments.models:
            take = bool(named) and of_provider
        else:
            take = of_provider and entry.get("mode") == "chat"
        if take:
            yield key, entry
    if missing:
        raise Refused(f"there is no model {', '.join(sorted(missing))}")


def fragment(prices: dict, arguments: argparse.Namespace) -> tuple[list[str], list[str]]:
    """The lines of the YAML, and what is wrong."""
    lines = [f"# Out of {arguments.source}; prices in force since {arguments.date}.", "models:"]
    errors = []
    seen: dict[str, list[str]] = {}
    try:
        for key, entry in chosen(prices, arguments):
            name = short_name(key, entry)
            try:
                of_model = model_lines(name, entry, arguments)
            except Refused as error:
                errors.append(f"{key}: {error}")
                continue
            if name not in seen:
                lines += of_model
            elif seen[name] != of_model:
                errors.append(f"{key}: another entry has the name {name}, too, and differs")
            seen[name] = of_model
    except Refused as error:
        errors.append(str(error))
    if not seen and not errors:
        errors.append("nothing was chosen: no chat model of this provider")
    return lines, errors


def parse_arguments(arguments: Optional[list[str]]) -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(description="Prints a catalogue fragment with prices.")
    parser.add_argument("file", help="model_prices_and_context_window.json")
    parser.add_argument("models", nargs="*", help="names as in the file; none: all of --provider")
    parser.add_argument("--provider", help="LiteLLM's name of the provider, for example openai")
    parser.add_argument("--as", dest="name", help="the provider's name in the configuration")
    parser.add_argument("--date", required=True, help="first day of the prices, 2024-06-01")
    parser.add_argument("--source", default=SOURCE, help="where the file comes from")
    parsed = parser.parse_args(arguments)
    try:
        parsed.date = datetime.date.fromisoformat(parsed.date).isoformat()
    except ValueError:
        parser.error(f"--date: {parsed.date!r} is no date; write 2024-06-01")
    if not parsed.models and parsed.provider is None:
        parser.error("name models, or a --provider")
    parsed.provider_name = lambda entry: parsed.name or entry.get("litellm_provider")
    return parsed


def main(arguments: Optional[list[str]] = None) -> int:
    """Exit code 1: something could not be taken over; then nothing is printed but why."""
    parsed = parse_arguments(arguments)
    try:
        with open(parsed.file, encoding="utf-8") as file:
            prices = json.load(file, parse_float=Decimal)
    except (OSError, ValueError, InvalidOperation) as error:
        print(f"{parsed.file}: {error}", file=sys.stderr)
        return 1
    if not isinstance(prices, dict):
        print(f"{parsed.file}: is no map of models", file=sys.stderr)
        return 1
    lines, errors = fragment(prices, parsed)
    for error in errors:
        print(f"{parsed.file}: {error}", file=sys.stderr)
    if errors:
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
