"""The rules of the tidy test, as data. docs/architecture.md says why the layers are as they are."""

import re
from typing import NamedTuple

# Folders whose sources are checked, from the root of the repository.
ROOTS = ("server", "client", "tests", "bench", "scripts")
SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", ".venv", "testdata"})

CPP = (".cc", ".h")
# What else has the limits on lines and columns.
OTHER_SOURCES = (".py", ".sh", ".js", ".mjs", ".go", ".java")

SOURCE_LINES_MAX = 500
HEADER_LINES_MAX = 250
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100
# The composition root only composes: flags, start-up order and drain order are in its library.
LINES_MAX_OF = {"server/app/main.cc": 49}

# A folder of server/ includes folders with a lower number and itself.
LAYERS = {
    "base": 0,
    "model": 1,
    "config": 2,
    "telemetry": 2,
    "storage": 2,
    "admission": 3,
    "tenancy": 3,
    "quota": 3,
    "billing": 3,
    "cache": 3,
    "routing": 3,
    "transport": 3,
    "providers": 4,
    "exchange": 5,
    "rpc": 6,
    "http": 6,
    "app": 7,
}
# Folders with the same number do not see each other, but admission has to find the tenant.
SAME_LAYER_ALLOWED = frozenset({("admission", "tenancy")})
# From these folders only the named headers are seen: a dialect knows the wire interface, not curl.
ONLY_THESE_HEADERS = {("providers", "transport"): ("server/transport/http_transport.h",)}


class Confined(NamedTuple):
    """A library that only some folders may include."""

    includes: re.Pattern  # of the included path
    folders: tuple[str, ...]  # a path under one of them may; tests/unit/<x> counts as server/<x>
    files: re.Pattern  # or a path that matches this
    instead: str


_NO_FILE = re.compile(r"(?!)")

CONFINED = (
    Confined(
        re.compile(r"^curl/"), ("server/transport",), _NO_FILE,
        "libcurl is known only in server/transport/: use server/transport/http_transport.h"),
    Confined(
        re.compile(r"^nghttp2/"), ("tests/upstream",), _NO_FILE,
        "nghttp2 is for the simulated provider only: libcurl speaks HTTP/2 in server/transport/"),
    Confined(
        re.compile(r"\.grpc\.pb\.h$"), ("server/rpc", "client", "tests", "bench"), _NO_FILE,
        "service stubs are known only in server/rpc/ and client/: use the types of server/model/"),
    Confined(
        re.compile(r"^prometheus/"), ("server/telemetry",), _NO_FILE,
        "prometheus-cpp is known only in server/telemetry/: add a counter to a stats struct there"),
    Confined(
        re.compile(r"^hiredis/"), ("server/quota", "tests/redis", "tests/fuzz"), _NO_FILE,
        "hiredis is known only in server/quota/: use its QuotaStore"),
    Confined(
        re.compile(r"^(?:soci/|soci\.h|sqlite3\.h|libpq-fe\.h|postgresql/)"),
        ("server/storage",),
        re.compile(r"^server/.*_sql\.(?:cc|h)$"
                   r"|^tests/contract/ledger_(?:verify_contract\.h|migration_contract\.h"
                   r"|sqlite_test\.cc)$"),
        "SQL is known only in server/storage/ and in *_sql.cc and *_sql.h: put the statement "
        "into such a file"),
)


class Forbidden(NamedTuple):
    """A call that only some folders may make."""

    code: re.Pattern  # searched in the source without comments and strings
    where: tuple[str, ...]  # checked below these folders ...
    except_in: tuple[str, ...]  # ... but not below those
    instead: str


FORBIDDEN = (
    Forbidden(
        re.compile(r"\babsl::Now\s*\(|\bchrono::\w+_clock::now\s*\("
                   r"|\b(?:system|steady|high_resolution)_clock::now\s*\("
                   r"|\b(?:gettimeofday|clock_gettime|timespec_get)\s*\("
                   r"|(?<![\w.>])time\s*\(\s*(?:nullptr|NULL|0|&\w+)\s*\)"),
        ("server", "client"), ("server/base",),
        "the clock is read only in server/base/: take `now` as a value, or own a base::Clock&"),
    Forbidden(
        re.compile(r"\bthis_thread::sleep_(?:for|until)\b|\babsl::SleepFor\b"
                   r"|(?<![\w.>:])(?:::)?(?:sleep|usleep|nanosleep)\s*\("),
        ("server", "client", "tests", "bench"), (),
        "nothing sleeps: wait for the event itself (a loop timer, a Signal, a condition variable)"),
    # With an absolute time it is how the open-loop load generator keeps its schedule.
    Forbidden(
        re.compile(r"\bclock_nanosleep\s*\("), ("server", "client", "tests"), (),
        "nothing sleeps: wait for the event itself (a loop timer, a Signal, a condition variable)"),
    Forbidden(
        re.compile(r"[(!&|,?:]\s*co_await\b"), ("server", "client", "tests"), (),
        "g++ 12 miscompiles co_await inside a larger expression, the coroutine may never start: "
        "give its value a name in a statement of its own"),
)


class Accepted(NamedTuple):
    """One accepted breach: the file, the rule, and why it is right there."""

    path: str
    rule: str  # includes, confined, forbidden, lines, function, columns
    reason: str


EXCEPTIONS: tuple[Accepted, ...] = (
    Accepted("tests/upstream/curl_transfer.h", "confined",
             "libcurl is the second opinion on the simulated provider's answers, HTTP/2 and TLS"),
    Accepted("tests/upstream/chat_json.cc", "columns",
             "one JSON literal, as the provider sends it, which a break would change"),
)
