"""Just enough of a C++ reader for the tidy test: comments, strings, includes and function bounds.

It is a scanner, not a compiler. Known limits, all of which err on the side of a false report that a
person sees, or of one that an exception in rules.py can name:
- preprocessor lines are skipped, so both branches of an #if count; braces that balance only within
  one branch are reported as unbalanced;
- functions made by a macro (except TEST and its kind) are seen as what the macro call looks like;
- a lambda or a local class counts as part of the function around it.
"""

import re
from typing import NamedTuple


class Function(NamedTuple):
    name: str
    first_line: int  # where its signature starts
    last_line: int  # of its closing brace

    @property
    def lines(self) -> int:
        return self.last_line - self.first_line + 1


class Include(NamedTuple):
    path: str
    line: int
    quoted: bool


class Unbalanced(Exception):
    """The braces do not balance; `line` is where that was seen."""

    def __init__(self, line: int):
        super().__init__(f"braces do not balance at line {line}")
        self.line = line


# Alternatives in the order in which a compiler would see them start.
_TOKEN = re.compile(
    r"""
    (?P<comment> //(?:[^\\\n]|\\.)* | /\*.*?(?:\*/|\Z) )
  | (?P<literal> (?<!\w)(?:u8|[uUL])?R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)"
               | "(?:[^"\\\n]|\\.)*"
               | (?<!\w)'(?:[^'\\\n]|\\.)*' )
    """, re.VERBOSE | re.DOTALL)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">\n]+)[">]', re.MULTILINE)


def _blank(text: str) -> str:
    """Spaces in place of everything but the line ends, so that lines and columns stay."""
    return re.sub(r"[^\n]", " ", text)


def strip(text: str, keep_strings: bool = False) -> str:
    """`text` without comments and without what stands inside its literals (`keep_strings` keeps
    ordinary ones, which is where quoted includes are; raw strings never stay)."""

    def replace(match: re.Match) -> str:
        token = match.group(0)
        if match.group("comment"):
            return _blank(token)
        if keep_strings and match.group("mark") is None:
            return token
        return token[-1] + _blank(token[1:-1]) + token[-1]

    return _TOKEN.sub(replace, text)


def includes(text: str) -> list[Include]:
    """The #include lines of a source, in order."""
    code = strip(text, keep_strings=True)
    return [
        Include(m.group(2), code.count("\n", 0, m.start()) + 1, m.group(1) == '"')
        for m in _INCLUDE.finditer(code)
    ]


def _without_preprocessor(code: str) -> str:
    lines = code.split("\n")
    continued = False
    for number, line in enumerate(lines):
        if continued or line.lstrip().startswith("#"):
            continued = line.endswith("\\")
            lines[number] = _blank(line)
    return "\n".join(lines)


_CONTAINER = re.compile(r"\b(?:namespace|class|struct|union|enum|extern)\b")
_INIT_LIST = re.compile(r"\)\s*(?:noexcept\s*)?(?<!:):(?!:)")
_ACCESS = re.compile(r"^(?:\s*(?:public|private|protected)\s*:(?!:))+")
_NAME = re.compile(r"([\w:~]+(?:\s*operator\s*\S+?)?|operator\s*\S+?)\s*\(")


def _top_level(head: str) -> str:
    """`head` with everything inside its round and square brackets removed (the brackets stay)."""
    out = []
    depth = 0
    for char in head:
        if char in ")]":
            depth -= 1
        if depth <= 0:
            out.append(char)
        if char in "([":
            depth += 1
    return "".join(out)


def _without_templates(head: str) -> str:
    """`head` without its template parameters and arguments."""
    before = ""
    while before != head:
        before, head = head, re.sub(r"<[^<>;{}]*>", " ", head)
    return head


def _kind_of_brace(head: str) -> str:
    """What the `{` after `head` opens: 'container', 'function' or 'data' (an initializer)."""
    flat = _top_level(_without_templates(head))
    flat = re.sub(r"\boperator\s*(?:\(\)|\[\]|[^\s\w(]+)", "operator", flat)
    if re.search(r"\[\]\s*(?:\(\)[^=]*)?$", flat):
        return "function"  # a lambda that no function encloses
    if "=" in flat:
        return "data"
    if "(" not in flat or re.match(r"^\s*(?:template\s*)?(?:class|struct|union|enum)\b", flat):
        return "container" if _CONTAINER.search(flat) or not flat.strip() else "data"
    return "function"


def _opens_member_initializer(head: str) -> bool:
    """Whether the `{` after `head` initializes a member in the list of a constructor: `: a_{1}`."""
    return bool(_INIT_LIST.search(_top_level(head))) and bool(re.search(r"[\w>]\s*$", head))


class _Scanner:
    """Walks the braces of one source; `found` collects the functions that nothing else encloses."""

    def __init__(self, code: str):
        self.code = code
        self.found: list[Function] = []
        self.open: list[tuple[str, int, str]] = []  # kind, where its head starts, head
        self.head_start = 0
        self.round = 0  # depth of ( ) inside the current head

    def _line(self, at: int) -> int:
        return self.code.count("\n", 0, at) + 1

    def _in_function(self) -> bool:
        return any(kind == "function" for kind, _, _ in self.open)

    def _open_brace(self, at: int) -> None:
        head = _ACCESS.sub(lambda m: _blank(m.group(0)), self.code[self.head_start:at])
        if self._in_function() or self.round > 0:
            kind = "function" if _lambda_in_argument(head, self.round) else "inner"
        elif _opens_member_initializer(head):
            kind = "member"
        else:
            kind = _kind_of_brace(head)
        if kind == "function" and self._in_function():
            kind = "inner"
        start = self.head_start + len(head) - len(head.lstrip())
        self.open.append((kind, start, head))
        if kind not in ("member", "inner"):
            self.head_start = at + 1

    def _close_brace(self, at: int) -> None:
        if not self.open:
            raise Unbalanced(self._line(at))
        kind, start, head = self.open.pop()
        if kind == "function":
            name = _NAME.search(_without_templates(head))
            self.found.append(
                Function(name.group(1) if name else "lambda", self._line(start), self._line(at)))
        if kind not in ("member", "inner"):
            self.head_start = at + 1

    def run(self) -> list[Function]:
        for at, char in enumerate(self.code):
            if char == "{":
                self._open_brace(at)
            elif char == "}":
                self._close_brace(at)
            elif char == "(" and not self._in_function():
                self.round += 1
            elif char == ")" and not self._in_function():
                self.round = max(0, self.round - 1)
            elif char == ";" and self.round == 0:
                self.head_start = at + 1
        if self.open:
            raise Unbalanced(self._line(self.open[-1][1]))
        return self.found


def _lambda_in_argument(head: str, depth: int) -> bool:
    """Whether the `{` after `head` opens a lambda that stands in an argument list at file level."""
    return depth > 0 and bool(re.search(r"\]\s*(?:\([^()]*\)[^(){}]*)?$", head))


def functions(text: str) -> list[Function]:
    """Every function of a source with its lines. Raises Unbalanced where it cannot follow."""
    return _Scanner(_without_preprocessor(strip(text))).run()
