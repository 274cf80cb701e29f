#include "server/providers/openai/json_reader.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace pingti::providers::openai {
namespace {

class JsonReaderTest : public ::testing::Test {
 protected:
  // Passes over every member.
  bool WellFormed(std::string_view json) {
    return reader_.ReadObject(json, [](std::string_view, JsonValue& value) { return Skip(value); });
  }

  JsonReader reader_;
};

TEST_F(JsonReaderTest, TakesObjects) {
  for (const char* json :
       {"{}", " {\"a\":1} ", "{\"a\":-0.5e+3,\"b\":[1,{\"c\":null}],\"d\":\"x\\\"y\",\"e\":true}",
        "{\"a\":{},\"b\":[]}", "{\"a\":1,\"a\":2}", "{\"\\u0061\":1}", "{\"a\":\"\\ud83d\"}",
        "{\"a\":1e999}"}) {
    EXPECT_TRUE(WellFormed(json)) << json;
  }
}

TEST_F(JsonReaderTest, RefusesWhatIsNotWhollyJson) {
  for (const char* json : {"",
                           " ",
                           "{",
                           "}",
                           "[1]",
                           "3",
                           "\"x\"",
                           "null",
                           "{\"a\":1}x",
                           "{\"a\":1}{}",
                           "{\"a\":tru}",
                           "{\"a\":nul}",
                           "{\"a\":1e}",
                           "{\"a\":01}",
                           "{\"a\":-}",
                           "{\"a\":1.}",
                           "{\"a\":.5}",
                           "{\"a\":NaN}",
                           "{\"a\" 1}",
                           "{\"a\":1 \"b\":2}",
                           "{\"a\":1,}",
                           "{,}",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":[1,]}",
                           "{\"a\":[1 2]}",
                           "{\"a\":[[]}",
                           "{\"a\":[}]",
                           "{\"a\":{}}}",
                           "{\"a\":\"\xFF\"}",
                           "{\"a\":\"\xED\xA0\xBD\"}",
                           "{\"a\":\"x\ny\"}",
                           "{\"a\":'x'}",
                           "{\"a\":\"x}",
                           "{a:1}",
                           "{\"a\":Infinity}",
                           "{\"a\":+1}",
                           "{\"a\":1}\x01"}) {
    EXPECT_FALSE(WellFormed(json)) << json;
  }
}

TEST_F(JsonReaderTest, BoundsTheDepth) {
  auto nested = [](int depth) {
    return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_TRUE(WellFormed(nested(kReadDepthMax)));
  EXPECT_FALSE(WellFormed(nested(kReadDepthMax + 1)));
  EXPECT_FALSE(WellFormed(nested(10'000)));
}

TEST_F(JsonReaderTest, TakesANumberOfAMegabyte) {
  EXPECT_TRUE(WellFormed("{\"a\":" + std::string(1 << 20, '7') + "}"));
  EXPECT_FALSE(WellFormed("{\"a\":" + std::string(1 << 20, '7') + "x}"));
  EXPECT_TRUE(WellFormed("{\"a\":1}"));  // with a parser of ordinary size again
}

TEST_F(JsonReaderTest, ShowsScalars) {
  std::string seen;
  ASSERT_TRUE(reader_.ReadObject(R"({"s": "a\nb" , "n": -1.5 , "t": true,"o":{}})",
                                 [&](std::string_view name, JsonValue& value) {
                                   JsonToken token = Peek(value);
                                   seen += std::string(name) + "=" + std::string(token.text) + ";";
                                   return token.kind != JsonKind::kBad;
                                 }));
  EXPECT_EQ(seen, "s=a\\nb;n=-1.5;t=true;o=;");
}

TEST_F(JsonReaderTest, StopsWhereTheCalleeSaysSo) {
  int fields = 0;
  EXPECT_FALSE(reader_.ReadObject("{\"a\":1,\"b\":2}", [&](std::string_view, JsonValue&) {
    ++fields;
    return false;
  }));
  EXPECT_EQ(fields, 1);
}

TEST_F(JsonReaderTest, UnescapesNames) {
  std::string names;
  ASSERT_TRUE(
      reader_.ReadObject(R"({"\u0061\n":1,"b":2})", [&](std::string_view name, JsonValue& value) {
        names += name;
        return Skip(value);
      }));
  EXPECT_EQ(names, "a\nb");
}

}  // namespace
}  // namespace pingti::providers::openai
