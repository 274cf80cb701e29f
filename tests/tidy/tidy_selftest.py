#!/usr/bin/env python3
"""Tests of the tidy test: each rule on a snippet that breaks it and on one that keeps it."""

import unittest

import cpp_text
import rules
import tidy


def findings(path, text):
    return [(item.line, item.rule) for item in tidy.check_text(path, text)]


def include(path, *targets):
    text = "".join(f"#include {target}\n" for target in targets)
    return findings(path, ("#pragma once\n" if path.endswith(".h") else "\n") + text)


def names(text):
    return [(item.name, item.lines) for item in cpp_text.functions(text)]


class StripTest(unittest.TestCase):
    def test_keeps_lines_and_columns(self):
        text = 'int a; // one {\n"two {" /* three\n{ */ + \'{\';\nR"x({\n)")x" end'
        code = cpp_text.strip(text)
        self.assertEqual([len(line) for line in text.split("\n")],
                         [len(line) for line in code.split("\n")])
        self.assertNotIn("{", code)
        self.assertTrue(code.endswith(" end"))

    def test_knows_digit_separators_and_escapes(self):
        self.assertEqual(cpp_text.strip("1'000'000 + x"), "1'000'000 + x")
        self.assertEqual(cpp_text.strip(r'f("\"{", b)'), 'f("   ", b)')
        self.assertEqual(cpp_text.strip(r"f('\'', '{')"), "f('  ', ' ')")

    def test_a_comment_mark_in_a_string_starts_no_comment(self):
        self.assertEqual(cpp_text.strip('f("http://a"); g();'), 'f("        "); g();')

    def test_continued_line_comment(self):
        self.assertNotIn("{", cpp_text.strip("// a \\\n{ still\nint b;"))


class IncludesTest(unittest.TestCase):
    def test_finds_only_real_ones(self):
        text = '// #include "a/b.h"\n#include "server/base/check.h"\n' \
               '#  include <curl/curl.h> // x\nauto s = R"(\n#include "no/no.h"\n)";\n'
        self.assertEqual([(item.path, item.line, item.quoted) for item in cpp_text.includes(text)],
                         [("server/base/check.h", 2, True), ("curl/curl.h", 3, False)])


class FunctionsTest(unittest.TestCase):
    def test_in_namespaces_and_classes(self):
        text = """
namespace a::b {
namespace {
enum class Colour : int { kRed };
constexpr int kTable[] = {1, 2};
}  // namespace
class Thing final : public Base<int> {
 public:
  Thing() : a_{1}, b_(2), c_{Make({3})} {
    Go();
  }
  int Get() const { return a_; }
 private:
  int a_{0};
};
template <typename T = std::vector<int>>
std::vector<T> Make(const T& t, int x = 3)
{
  if (x) {
  }
  return {};
}
}  // namespace a::b
"""
        self.assertEqual(names(text), [("Thing", 3), ("Get", 1), ("Make", 7)])

    def test_operators_and_trailing_types(self):
        text = """
Foo& Foo::operator=(const Foo&) {
}
bool operator==(const A& a, const A& b) { return true; }
auto Next() -> std::string {
  return "}";
}
"""
        self.assertEqual([lines for _, lines in names(text)], [2, 1, 3])

    def test_tests_and_lambdas(self):
        text = """
TEST(Foo, Bar) {
  auto f = [] { return 1; };
  struct Local { void M() {} };
}
const auto kHandler = [](int x) {
  return x;
};
const std::map<int, F> kMap = {{1, [](int x) {
  return x;
}}};
const bool kDone = Register("x", [](State& s) {
  s.Go();
});
"""
        self.assertEqual([lines for _, lines in names(text)], [4, 3, 3, 3])

    def test_macros_and_preprocessor_are_skipped(self):
        text = "#define F(x) { \\\n  {\nvoid G() {\n#ifdef A\n#endif\n}\n"
        self.assertEqual(names(text), [("G", 4)])

    def test_unbalanced_braces_are_told(self):
        for text in ("void F() {\n", "void F() {}\n}\n"):
            with self.assertRaises(cpp_text.Unbalanced):
                cpp_text.functions(text)

    def test_length_is_limited(self):
        body = "  f();\n" * (rules.FUNCTION_LINES_MAX - 2)
        self.assertEqual(findings("server/base/a.cc", "void F() {\n" + body + "}\n"), [])
        self.assertEqual(findings("server/base/a.cc", "\nvoid F() {\n  g();\n" + body + "}\n"),
                         [(2, "function")])


class LayersTest(unittest.TestCase):
    def test_lower_layers_only(self):
        self.assertEqual(include("server/quota/a.cc", '"server/base/clock.h"',
                                 '"server/config/config.h"', '"server/quota/bucket.h"'), [])
        self.assertEqual(include("server/quota/a.cc", '"server/exchange/a.h"'), [(2, "includes")])
        self.assertEqual(include("server/base/a.cc", '"server/model/usage.h"'), [(2, "includes")])
        self.assertEqual(include("server/quota/a.cc", '"server/unknown/a.h"'), [(2, "includes")])
        self.assertEqual(include("server/unknown/a.cc", '"server/base/a.h"'), [(2, "includes")])

    def test_same_layer(self):
        self.assertEqual(include("server/quota/a.cc", '"server/tenancy/keys.h"'), [(2, "includes")])
        self.assertEqual(include("server/admission/a.cc", '"server/tenancy/keys.h"'), [])
        self.assertEqual(include("server/tenancy/a.cc", '"server/admission/b.h"'),
                         [(2, "includes")])

    def test_providers_see_the_interface_of_transport_only(self):
        path = "server/providers/openai/chat.cc"
        self.assertEqual(include(path, '"server/transport/http_transport.h"'), [])
        self.assertEqual(include(path, '"server/transport/curl_loop.h"'), [(2, "includes")])

    def test_client_and_server_stand_alone(self):
        self.assertEqual(include("client/a.cc", '"server/base/clock.h"'), [(2, "includes")])
        self.assertEqual(include("client/a.cc", '"client/b.h"', '"pingti/v1/usage.pb.h"'), [])
        self.assertEqual(include("server/app/a.cc", '"tests/fakes/clock.h"'), [(2, "includes")])
        self.assertEqual(include("tests/unit/base/a.cc", '"tests/fakes/clock.h"'), [])

    def test_every_layer_of_the_tree_is_known(self):
        self.assertEqual(rules.LAYERS["base"], 0)
        for pair in rules.SAME_LAYER_ALLOWED:
            self.assertEqual(rules.LAYERS[pair[0]], rules.LAYERS[pair[1]])


class PathsTest(unittest.TestCase):
    def test_rooted_at_the_repository(self):
        for target in ('"clock.h"', '"../base/clock.h"', '"./clock.h"', "<server/base/clock.h>"):
            self.assertEqual(include("server/base/a.cc", target), [(2, "includes")], target)
        self.assertEqual(include("server/base/a.cc", '"absl/time/time.h"', "<vector>"), [])

    def test_must_exist(self):
        found = tidy.check_text("server/base/a.cc", '#include "server/base/b.h"\n', lambda _: False)
        self.assertEqual([item.rule for item in found], ["includes"])
        library = tidy.check_text("server/base/a.cc", '#include "simdjson.h"\n', lambda _: False)
        self.assertEqual(library, [])

    def test_headers_have_a_guard(self):
        self.assertEqual(findings("server/base/a.h", "// x\n"), [(1, "includes")])
        self.assertEqual(findings("server/base/a.h", "// #pragma once\n"), [(1, "includes")])
        self.assertEqual(findings("server/base/a.h", "// x\n#pragma once\n"), [])


class ConfinedTest(unittest.TestCase):
    CASES = (
        ("<curl/curl.h>", "server/transport/a.cc", "server/providers/a.cc"),
        ("<curl/curl.h>", "tests/unit/transport/a_test.cc", "tests/integration/a_test.cc"),
        ('"pingti/v1/completion_service.grpc.pb.h"', "server/rpc/a.cc", "server/exchange/a.cc"),
        ('"pingti/v1/completion_service.grpc.pb.h"', "client/client.h", "server/app/a.cc"),
        ('"pingti/v1/completion_service.grpc.pb.h"', "tests/integration/a.cc", "server/base/a.cc"),
        ("<prometheus/registry.h>", "server/telemetry/a.cc", "server/app/a.cc"),
        ("<hiredis/async.h>", "server/quota/a.cc", "server/base/a.cc"),
        ("<soci/soci.h>", "server/storage/a.cc", "server/billing/ledger.cc"),
        ("<sqlite3.h>", "server/billing/ledger_sql.cc", "bench/load/a.cc"),
    )

    def test_each_library(self):
        for target, allowed, refused in self.CASES:
            self.assertEqual(include(allowed, target), [], (target, allowed))
            self.assertEqual([rule for _, rule in include(refused, target)], ["confined"],
                             (target, refused))


class CallsTest(unittest.TestCase):
    CLOCKS = ("absl::Now()", "std::chrono::steady_clock::now()", "chrono::system_clock::now()",
              "::gettimeofday(&t, nullptr)", "clock_gettime(CLOCK_MONOTONIC, &t)", "time(nullptr)",
              "std::time(NULL)")
    SLEEPS = ("std::this_thread::sleep_for(x)", "absl::SleepFor(absl::Seconds(1))", "usleep(10)",
              "::nanosleep(&a, &b)", "sleep(1)")

    def test_clocks_are_read_in_base_only(self):
        for call in self.CLOCKS:
            text = f"void F() {{\n  {call};\n}}\n"
            self.assertEqual(findings("server/quota/a.cc", text), [(2, "forbidden")], call)
            self.assertEqual(findings("client/a.cc", text), [(2, "forbidden")], call)
            self.assertEqual(findings("server/base/a.cc", text), [], call)
            self.assertEqual(findings("bench/load/a.cc", text), [], call)

    def test_nothing_sleeps(self):
        for call in self.SLEEPS:
            for path in ("server/base/a.cc", "tests/unit/base/a_test.cc", "bench/load/a.cc"):
                self.assertEqual(findings(path, f"void F() {{ {call}; }}\n"), [(1, "forbidden")],
                                 (call, path))

    def test_a_schedule_sleeps_only_in_the_load_generator(self):
        text = "void F() { clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr); }\n"
        self.assertEqual(findings("bench/load/a.cc", text), [])
        self.assertEqual(findings("server/base/a.cc", text), [(1, "forbidden")])

    def test_awaiting_inside_an_expression(self):
        for code in ("if (!co_await Go()) co_return;", "F(co_await Go());",
                     "while (a && co_await Go()) {}"):
            self.assertEqual(findings("server/exchange/a.cc", f"Task<void> T() {{ {code} }}\n"),
                             [(1, "forbidden")], code)
        for code in ("co_await Go();", "const bool go = co_await Go();", "if (a) co_await Go();",
                     "co_return co_await Go();"):
            self.assertEqual(findings("server/exchange/a.cc", f"Task<void> T() {{ {code} }}\n"), [])

    def test_others_are_left_alone(self):
        text = 'void F() {\n  clock.Now(); loop.time(0); // absl::Now()\n  g("absl::Now()");\n' \
               "  response_time(0); timer.sleep(1);\n}\n"
        self.assertEqual(findings("server/quota/a.cc", text), [])


class SizeTest(unittest.TestCase):
    def test_lines(self):
        for path, limit in (("server/a/a.cc", 500), ("server/a/a.h", 250),
                            ("server/app/main.cc", 49), ("tests/x/a.py", 500)):
            text = "#pragma once\n" + "\n" * (limit - 1)
            self.assertEqual(findings(path, text), [], path)
            self.assertEqual(findings(path, text + "\n"), [(limit + 1, "lines")], path)

    def test_columns_are_characters(self):
        self.assertEqual(findings("server/base/a.cc", "// " + "平" * 97 + "\n"), [])
        self.assertEqual(findings("server/base/a.cc", "\n// " + "x" * 98 + "\n"), [(2, "columns")])


class ExceptionsTest(unittest.TestCase):
    def test_hides_its_finding_and_complains_when_unused(self):
        accepted = rules.Accepted("a.cc", "columns", "why")
        breach = tidy.Finding("a.cc", 3, "columns", "too long")
        other = tidy.Finding("b.cc", 3, "columns", "too long")
        self.assertEqual(tidy.apply_exceptions([breach, other], [accepted]), [other])
        unused = tidy.apply_exceptions([other], [accepted])
        self.assertEqual([(item.path, item.line) for item in unused], [("b.cc", 3), ("a.cc", 1)])

    def test_each_has_a_reason(self):
        for item in rules.EXCEPTIONS:
            self.assertTrue(item.reason.strip(), item.path)


if __name__ == "__main__":
    unittest.main()
