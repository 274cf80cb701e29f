#include "server/providers/openai/json_writer.h"

#include <random>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "server/model/json_check.h"
#include "server/providers/openai/json_text.h"

namespace pingti::providers::openai {
namespace {

template <typename Write>
std::string Written(Write write) {
  rapidjson::StringBuffer buffer;
  JsonWriter json(&buffer);
  write(json);
  return {buffer.GetString(), buffer.GetSize()};
}

std::string Text(std::string_view text) {
  return Written([&](JsonWriter& json) { json.Text(text); });
}

TEST(JsonWriterTest, EscapesText) {
  EXPECT_EQ(Text(""), R"("")");
  EXPECT_EQ(Text("a\"b\\c\n\r\t\b\f"), R"("a\"b\\c\n\r\t\b\f")");
  EXPECT_EQ(Text(std::string_view("\0\x01\x1F\x7F", 4)), "\"\\u0000\\u0001\\u001f\x7F\"");
  EXPECT_EQ(Text("\xE4\xBD\xA0\xF0\x9F\x98\x80"), "\"\xE4\xBD\xA0\xF0\x9F\x98\x80\"");
}

TEST(JsonWriterTest, WritesTextThatReadsTheSame) {
  std::mt19937 random(7);
  constexpr std::string_view kPieces[] = {
      "plain text of some length ", "\"", "\\", "\n", "\x01", "\xE4\xBD\xA0",
      "\xF0\x9F\x98\x80",           " ",  "!",  "x"};
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (int i = static_cast<int>(random() % 30); i > 0; --i) {
      text += kPieces[random() % std::size(kPieces)];
    }
    std::string json = Text(text);
    ASSERT_FALSE(model::JsonProblem(json).has_value()) << json;
    std::string back;
    ASSERT_TRUE(AppendUnescaped(std::string_view(json).substr(1, json.size() - 2), nullptr, &back));
    ASSERT_EQ(back, text);
  }
}

TEST(JsonWriterTest, WritesNumbers) {
  auto number = [](double n) { return Written([n](JsonWriter& json) { json.Number(n); }); };
  EXPECT_EQ(number(0), "0");
  EXPECT_EQ(number(-100), "-100");
  EXPECT_EQ(number(0.7), "0.7");
  EXPECT_EQ(number(-1.25), "-1.25");
  EXPECT_EQ(number(1e300), "1e300");
}

TEST(JsonWriterTest, WritesBase64) {
  auto base64 = [](std::string_view data) {
    return Written([data](JsonWriter& json) { json.Base64("p,", data); });
  };
  // The vectors of RFC 4648, section 10.
  EXPECT_EQ(base64(""), R"("p,")");
  EXPECT_EQ(base64("f"), R"("p,Zg==")");
  EXPECT_EQ(base64("fo"), R"("p,Zm8=")");
  EXPECT_EQ(base64("foo"), R"("p,Zm9v")");
  EXPECT_EQ(base64("foob"), R"("p,Zm9vYg==")");
  EXPECT_EQ(base64("fooba"), R"("p,Zm9vYmE=")");
  EXPECT_EQ(base64("foobar"), R"("p,Zm9vYmFy")");
  EXPECT_EQ(base64(std::string_view("\x00\xFF\xFB\xF0", 4)), R"("p,AP/78A==")");
}

TEST(JsonWriterTest, AddsRawMembers) {
  auto with = [](std::string_view members) {
    return Written([members](JsonWriter& json) {
      json.StartObject();
      json.Member("a", "b");
      json.RawMembers(members);
      json.EndObject();
    });
  };
  EXPECT_EQ(with("{}"), R"({"a":"b"})");
  EXPECT_EQ(with(" { } "), R"({"a":"b"})");
  EXPECT_EQ(with(R"( {"x":{"y":[1]},"z":"}"} )"), R"({"a":"b","x":{"y":[1]},"z":"}"})");
}

TEST(JsonWriterTest, PutsRawValuesInTheirPlace) {
  EXPECT_EQ(Written([](JsonWriter& json) {
              json.StartArray();
              json.Raw("{\"a\":1}");
              json.Raw("2");
              json.Null();
              json.EndArray();
            }),
            R"([{"a":1},2,null])");
}

}  // namespace
}  // namespace pingti::providers::openai
