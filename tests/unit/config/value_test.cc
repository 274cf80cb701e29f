#include "server/config/value.h"

#include <cstdint>
#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/expand.h"

namespace pingti::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ParseDurationTest, TakesOneNumberWithItsUnit) {
  EXPECT_EQ(ParseDuration("250ms"), absl::Milliseconds(250));
  EXPECT_EQ(ParseDuration("5s"), absl::Seconds(5));
  EXPECT_EQ(ParseDuration("2m"), absl::Minutes(2));
  EXPECT_EQ(ParseDuration("1h"), absl::Hours(1));
  EXPECT_EQ(ParseDuration("0s"), absl::ZeroDuration());
  for (std::string_view bad : {"", "5", "s", "-5s", "+5s", "5 s", "5S", "1.5s", "1m30s", "inf",
                               "5d", "99999999999999999999s", "1000000001h"}) {
    EXPECT_EQ(ParseDuration(bad), std::nullopt) << bad;
  }
}

TEST(ParseBytesTest, TakesBytesAndBinaryUnits) {
  EXPECT_EQ(ParseBytes("0"), 0);
  EXPECT_EQ(ParseBytes("1500"), 1500);
  EXPECT_EQ(ParseBytes("64KiB"), 65536);
  EXPECT_EQ(ParseBytes("20MiB"), 20 * 1024 * 1024);
  EXPECT_EQ(ParseBytes("8589934591GiB"), int64_t{8589934591} << 30);
  for (std::string_view bad : {"", "KiB", "-1", "1.5MiB", "20MB", "20mib", "20 MiB",
                               "8589934592GiB", "9223372036854775808"}) {
    EXPECT_EQ(ParseBytes(bad), std::nullopt) << bad;
  }
  for (int64_t bytes :
       {int64_t{0}, int64_t{1500}, int64_t{65536}, int64_t{20} << 20, int64_t{3} << 30}) {
    EXPECT_EQ(ParseBytes(FormatBytes(bytes)), bytes);
  }
}

TEST(ParseIntegerTest, TakesDigitsOnly) {
  EXPECT_EQ(ParseInteger("-12"), -12);
  EXPECT_EQ(ParseInteger("9223372036854775807"), INT64_MAX);
  for (std::string_view bad :
       {"", "+1", "1_000", "0x10", "1e3", " 1", "1 ", "9223372036854775808"}) {
    EXPECT_EQ(ParseInteger(bad), std::nullopt) << bad;
  }
}

TEST(CheckBaseUrlTest, TakesWhatProvidersHave) {
  for (std::string_view good :
       {"https://api.openai.com/v1", "http://127.0.0.1:8080", "http://localhost:1/a/b",
        "https://[::1]:8443/v1", "http://[2001:db8::1]",
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
        "https://h/openai/deployments/a%20b"}) {
    EXPECT_EQ(CheckBaseUrl(good), "") << good;
  }
}

TEST(HostIsAddressTest, TellsAddressesFromNames) {
  for (const char* address : {"http://127.0.0.1:8000/v1", "http://10.0.0.1", "https://[::1]:80/v1",
                              "http://localhost", "http://localhost:9/v1"}) {
    EXPECT_TRUE(HostIsAddress(address)) << address;
  }
  for (const char* name : {"https://api.openai.com/v1", "http://a", "http://localhost.evil.example",
                           "http://10.0.0.1.example:80", "http://model.svc:8000/v1"}) {
    EXPECT_FALSE(HostIsAddress(name)) << name;
  }
}

TEST(CheckBaseUrlTest, RefusesEverythingElse) {
  for (std::string_view bad : {"htp://x",
                               "api.openai.com",
                               "ftp://x",
                               "HTTP://x",
                               "https://",
                               "https:///v1",
                               "https://x/",
                               "https://x:0/v1",
                               "https://x:65536",
                               "https://x:",
                               "https://x:+1",
                               "https://a b",
                               "https://x/a b",
                               "https://user:password@x/v1",
                               "https://x/v1?key=1",
                               "https://x/v1#a",
                               "https://x\r\nHost: y",
                               "https://ex\xC3\xA4mple.com",
                               "https://[::1",
                               "https://[]",
                               "https://::1/",
                               "https://x/\"",
                               "https://.x",
                               "https://a..b",
                               "file:///etc/passwd"}) {
    EXPECT_NE(CheckBaseUrl(bad), "") << bad;
  }
  EXPECT_NE(CheckBaseUrl("https://x/" + std::string(5000, 'a')), "");
  EXPECT_NE(CheckBaseUrl(std::string_view("https://x/\0a", 12)), "");
}

TEST(CheckAddressTest, WantsHostAndPort) {
  for (std::string_view good :
       {"127.0.0.1:50051", "localhost:0", "0.0.0.0:65535", "[::1]:50051", "[::]:0"}) {
    EXPECT_EQ(CheckAddress(good), "") << good;
  }
  for (std::string_view bad :
       {"", ":50051", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:50051", "127.0.0.1:-1",
        "127.0.0.1:grpc", "a b:1", "[::1]", "h:000000000001"}) {
    EXPECT_NE(CheckAddress(bad), "") << bad;
  }
}

TEST(CheckApiKeyTest, TakesVisibleAsciiOnly) {
  EXPECT_EQ(CheckApiKey("sk-proj_Abc.123+/="), "");
  for (std::string_view bad : {"a\nb", "a\rb", "a b", "a\tb", "sch\xC3\xBCssel", "a\x7F"}) {
    EXPECT_NE(CheckApiKey(bad), "") << testing::PrintToString(bad);
  }
  EXPECT_NE(CheckApiKey(std::string_view("a\0b", 3)), "");
  EXPECT_NE(CheckApiKey(std::string(9000, 'a')), "");
}

TEST(CheckStoreAddressTest, WantsHostAndPortOrASocket) {
  for (const std::string& good :
       {std::string("127.0.0.1:6379"), std::string("redis:1"), std::string("[::1]:6379"),
        std::string("unix:/run/redis.sock"), "unix:/" + std::string(106, 'a')}) {
    EXPECT_EQ(CheckStoreAddress(good), "") << good;
  }
  for (const std::string& bad :
       {std::string(), std::string("redis"), std::string("redis:0"), std::string(":6379"),
        std::string("redis:6379/1"), std::string("redis://h:1"), std::string("unix:"),
        std::string("unix:run.sock"), std::string("unix:/a b"), std::string("/run/redis.sock"),
        "unix:/" + std::string(107, 'a')}) {
    EXPECT_NE(CheckStoreAddress(bad), "") << bad;
  }
}

TEST(CheckPrefixTest, IsPartOfNamesInTheStore) {
  for (const std::string& good : {std::string("a"), std::string("a-1"), std::string(32, 'z')}) {
    EXPECT_EQ(CheckPrefix(good), "") << good;
  }
  for (const std::string& bad : {std::string(), std::string("A"), std::string("a:b"),
                                 std::string("a{b}"), std::string(33, 'z')}) {
    EXPECT_NE(CheckPrefix(bad), "") << bad;
  }
}

TEST(CheckPasswordTest, MayHaveSpacesAndAnyLetters) {
  EXPECT_EQ(CheckPassword("pass word \xC3\xA4 \"'$"), "");
  EXPECT_NE(CheckPassword("a\nb"), "");
  EXPECT_NE(CheckPassword(std::string("a\0b", 3)), "");
  EXPECT_NE(CheckPassword(std::string(8 * 1024 + 1, 'a')), "");
}

TEST(ParseKeyRecordTest, TakesIdAndHash) {
  const std::string hex = std::string(62, '0') + "aF";
  const auto record = ParseKeyRecord("pt_dev1:" + hex);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->public_id, "dev1");
  EXPECT_EQ(record->sha256, std::string(31, '\0') + '\xAF');
  for (const std::string& bad :
       {"pt_dev:" + hex, "pt_" + std::string(33, 'a') + ":" + hex, "pt_DEV1:" + hex, "dev1:" + hex,
        "pt_dev1:" + hex + "0", "pt_dev1:" + hex.substr(1), "pt_dev1:" + std::string(64, 'g'),
        "pt_dev1_" + hex, std::string()}) {
    EXPECT_FALSE(ParseKeyRecord(bad)) << bad;
  }
}

TEST(ExpandTest, ReplacesVariablesDefaultsAndDollars) {
  const Environment environment = {{"A", "alpha"}, {"EMPTY", ""}, {"ODD", "${A} $$ }"}};
  auto text = [&](std::string_view raw) {
    const Expanded expanded = Expand(raw, environment);
    EXPECT_EQ(expanded.problem, "") << raw;
    return expanded.text;
  };
  EXPECT_EQ(text("plain"), "plain");
  EXPECT_EQ(text("<${A}>"), "<alpha>");
  EXPECT_EQ(text("${A}${A}"), "alphaalpha");
  EXPECT_EQ(text("${UNSET:-b}"), "b");
  EXPECT_EQ(text("${EMPTY:-b}"), "b");
  EXPECT_EQ(text("${EMPTY}"), "");
  EXPECT_EQ(text("${UNSET:-}"), "");
  EXPECT_EQ(text("${UNSET:-a:-b$}"), "a:-b$");
  EXPECT_EQ(text("$$"), "$");
  EXPECT_EQ(text("$${A}"), "${A}");
  EXPECT_EQ(text("${ODD}"), "${A} $$ }");  // not expanded again
  EXPECT_THAT(Expand("${A}-${UNSET:-}", environment).variables, ElementsAre("A", "UNSET"));
}

TEST(ExpandTest, SaysWhatIsWrongWithoutValues) {
  const Environment environment = {{"BIG", std::string(kValueBytesMax, 'b')},
                                   {"LATIN",
                                    "\xFF"
                                    "canary"}};
  EXPECT_THAT(Expand("${UNSET}", environment).problem, HasSubstr("UNSET, which is not set"));
  EXPECT_THAT(Expand("a$b", environment).problem, HasSubstr("a single $"));
  EXPECT_THAT(Expand("a$", environment).problem, HasSubstr("a single $"));
  EXPECT_THAT(Expand("${A", environment).problem, HasSubstr("without its }"));
  EXPECT_THAT(Expand("${}", environment).problem, HasSubstr("a name that is none"));
  EXPECT_THAT(Expand("${1A}", environment).problem, HasSubstr("a name that is none"));
  EXPECT_THAT(Expand("${A-b}", environment).problem, HasSubstr("a name that is none"));
  EXPECT_EQ(Expand("${BIG}", environment).problem, "");
  EXPECT_THAT(Expand("${BIG}${BIG}", environment).problem, HasSubstr("longer than 65536 bytes"));
  EXPECT_THAT(Expand("${BIG}x", environment).problem, HasSubstr("longer than 65536 bytes"));
  EXPECT_THAT(Expand(std::string(kValueBytesMax + 1, 'x'), environment).problem,
              HasSubstr("longer than 65536 bytes"));
  EXPECT_EQ(Expand("${LATIN}", environment).problem, "gets bytes from LATIN that are not UTF-8");
}

}  // namespace
}  // namespace pingti::config
