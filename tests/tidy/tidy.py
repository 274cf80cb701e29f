#!/usr/bin/env python3
"""The tidy test: the parts of the house style that a machine can hold people to.

    tests/tidy/tidy.py [ROOT]

Prints `file:line: what is wrong; what to use instead`, one finding a line, and exits 1 if there is
one. It also fails when it finds nothing to check, and when an exception in rules.py is not needed
any more. Only the standard library is used. CONTRIBUTING.md lists the rules for people.
"""

import os
import re
import sys
from typing import Iterator, NamedTuple, Optional

import cpp_text
import rules


class Finding(NamedTuple):
    path: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text} [{self.rule}]"


def _below(path: str, folders: tuple[str, ...]) -> bool:
    return any(path.startswith(folder + "/") for folder in folders)


def mirrored(path: str) -> str:
    """The path whose rights `path` has: a unit test may know what the source it mirrors knows."""
    found = re.match(r"tests/unit/(\w+)/(.*)", path)
    if not found:
        return path
    parent = "client" if found.group(1) == "client" else f"server/{found.group(1)}"
    return f"{parent}/{found.group(2)}"


def _layer_finding(folder: str, included: str) -> Optional[str]:
    """What is wrong with `included` (server/...) in server/<folder>/; nothing if it is right."""
    other = included.split("/")[1]
    if other == folder:
        return None
    if other not in rules.LAYERS:
        return f"server/{other}/ has no layer; give it one in tests/tidy/rules.py"
    if folder not in rules.LAYERS:
        return f"server/{folder}/ has no layer; give it one in tests/tidy/rules.py"
    headers = rules.ONLY_THESE_HEADERS.get((folder, other))
    if headers and included not in headers:
        return f"of server/{other}/, server/{folder}/ sees only {', '.join(headers)}"
    mine, theirs = rules.LAYERS[folder], rules.LAYERS[other]
    if theirs < mine or (folder, other) in rules.SAME_LAYER_ALLOWED:
        return None
    lower = sorted(name for name, layer in rules.LAYERS.items() if layer < mine)
    return (f"server/{folder}/ (layer {mine}) must not include server/{other}/ (layer {theirs}); "
            f"it sees {', '.join(lower) or 'no other folder'}: turn the dependency round, or move "
            "the type down")


def check_includes(path: str, text: str, exists=lambda path: True) -> Iterator[Finding]:
    """Who includes what: layers, the client's independence, rooted paths, confined libraries."""
    top, _, rest = path.partition("/")
    for include in cpp_text.includes(text):
        target = include.path

        def finding(what: str, rule: str = "includes", line: int = include.line) -> Finding:
            return Finding(path, line, rule, what)

        first = target.split("/")[0]
        ours = first in ("server", "client", "tests", "bench")
        rooted = f"{os.path.dirname(path)}/{os.path.basename(target)}"
        relative = include.quoted and "/" not in target and exists(rooted)
        if relative or target.startswith((".", "/")):
            yield finding(f'"{target}" is not rooted at the repository: write "{rooted}"')
        elif ours and not include.quoted:
            yield finding(f"<{target}> is ours: include it in quotes")
        elif ours and not exists(target):
            yield finding(f'"{target}" does not exist; paths start at the root of the repository')
        elif top == "client" and ours and first != "client":
            yield finding(f'client/ knows only proto/: it must not include "{target}"')
        elif top == "server" and ours and first != "server":
            yield finding(f'server/ must not include "{target}": move what it needs to server/')
        elif top == "server" and first == "server":
            problem = _layer_finding(rest.split("/")[0], target)
            if problem:
                yield finding(problem)
        for library in rules.CONFINED:
            who = mirrored(path)
            if (library.includes.search(target) and not _below(who, library.folders)
                    and not library.files.search(who)):
                yield finding(f"<{target}> is not for this folder: {library.instead}", "confined")


def check_calls(path: str, text: str) -> Iterator[Finding]:
    """Clocks and sleeps."""
    code = cpp_text.strip(text)
    for rule in rules.FORBIDDEN:
        if not _below(path, rule.where) or _below(path, rule.except_in):
            continue
        for match in rule.code.finditer(code):
            line = code.count("\n", 0, match.start()) + 1
            call = match.group(0).rstrip("( ")
            yield Finding(path, line, "forbidden", f"{call}: {rule.instead}")


def check_size(path: str, text: str) -> Iterator[Finding]:
    """Lines of the file and columns of each line (characters, not bytes)."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    advice = "./dev fmt" if path.endswith(rules.CPP) else "break it"
    limit = rules.HEADER_LINES_MAX if path.endswith(".h") else rules.SOURCE_LINES_MAX
    limit = rules.LINES_MAX_OF.get(path, limit)
    if len(lines) > limit:
        yield Finding(path, limit + 1, "lines",
                      f"{len(lines)} lines, {limit} are allowed: split it by what it does")
    for number, line in enumerate(lines, 1):
        if len(line) > rules.COLUMNS_MAX:
            yield Finding(path, number, "columns",
                          f"{len(line)} columns, {rules.COLUMNS_MAX} are allowed: {advice}")


def check_functions(path: str, text: str) -> Iterator[Finding]:
    try:
        found = cpp_text.functions(text)
    except cpp_text.Unbalanced as error:
        yield Finding(path, error.line, "function",
                      "the braces do not balance here: keep each pair within one branch of an #if")
        return
    for function in found:
        if function.lines > rules.FUNCTION_LINES_MAX:
            yield Finding(path, function.first_line, "function",
                          f"{function.name} has {function.lines} lines, {rules.FUNCTION_LINES_MAX} "
                          "are allowed: keep the branches here and move the leaves out")


def check_header(path: str, text: str) -> Iterator[Finding]:
    if path.endswith(".h") and not re.search(r"^#pragma once$", cpp_text.strip(text), re.MULTILINE):
        yield Finding(path, 1, "includes", "the header has no guard: write `#pragma once`")


def check_text(path: str, text: str, exists=lambda path: True) -> list[Finding]:
    """All findings in one file. `exists` says whether a path of the repository is there."""
    found = list(check_size(path, text))
    if path.endswith(rules.CPP):
        found += check_includes(path, text, exists)
        found += check_calls(path, text)
        found += check_functions(path, text)
        found += check_header(path, text)
    return sorted(found, key=lambda finding: finding.line)


def _is_script(path: str) -> bool:
    """Whether the file, which has no ending, starts with #! and so is a source of ours."""
    if "." in os.path.basename(path):
        return False
    with open(path, "rb") as file:
        return file.read(2) == b"#!"


def sources(root: str) -> Iterator[str]:
    """The files to check, relative to `root`, in order."""
    for name in ("dev", ".ci/run"):
        if os.path.isfile(os.path.join(root, name)):
            yield name
    for top in rules.ROOTS:
        for folder, folders, files in os.walk(os.path.join(root, top)):
            folders[:] = sorted(set(folders) - rules.SKIPPED_FOLDERS)
            for name in sorted(files):
                full = os.path.join(folder, name)
                if name.endswith(rules.CPP + rules.OTHER_SOURCES) or _is_script(full):
                    yield os.path.relpath(full, root)


def apply_exceptions(findings: list[Finding], exceptions) -> list[Finding]:
    """`findings` without the excepted ones, and with one for each exception that is not needed."""
    excepted = {(item.path, item.rule) for item in exceptions}
    left = [item for item in findings if (item.path, item.rule) not in excepted]
    used = {(item.path, item.rule) for item in findings}
    for item in exceptions:
        if (item.path, item.rule) not in used:
            left.append(Finding(item.path, 1, item.rule, "keeps this rule now: remove its "
                                "exception from tests/tidy/rules.py"))
    return left


def main(arguments: list[str]) -> int:
    here = os.path.dirname(os.path.abspath(__file__))
    root = arguments[0] if arguments else os.path.dirname(os.path.dirname(here))
    findings: list[Finding] = []
    count = 0
    for path in sources(root):
        count += 1
        with open(os.path.join(root, path), encoding="utf-8") as file:
            text = file.read()
        findings += check_text(path, text,
                               lambda target: os.path.isfile(os.path.join(root, target)))
    findings = apply_exceptions(findings, rules.EXCEPTIONS)
    for finding in findings:
        print(finding)
    if count == 0:
        print(f"tidy: nothing to check below {root}")
        return 1
    print(f"tidy: {count} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
