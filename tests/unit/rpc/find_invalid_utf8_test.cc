#include "server/rpc/find_invalid_utf8.h"

#include <string>

#include <grpcpp/support/slice.h>

#include "gtest/gtest.h"
#include "pingti/v1/completion_service.pb.h"

namespace pingti::rpc {
namespace {

// Field `number` with `content` in the wire format; both short.
std::string Field(int number, const std::string& content) {
  EXPECT_LT(number, 16);
  EXPECT_LT(content.size(), 128u);
  return std::string(1, static_cast<char>(number << 3 | 2)) +
         std::string(1, static_cast<char>(content.size())) + content;
}

std::string Find(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return FindInvalidUtf8(grpc::ByteBuffer(&slice, 1), *v1::CompletionSpec::descriptor())
      .value_or("(none)");
}

constexpr char kBad[] = "a\xff";

TEST(FindInvalidUtf8Test, FindsAFieldAtTheTop) {
  EXPECT_EQ(Find(Field(1, kBad)), "model");
  EXPECT_EQ(Find(Field(1, "gpt-4o") + Field(10, kBad)), "user");
}

TEST(FindInvalidUtf8Test, CountsTheElementsOfRepeatedFields) {
  const std::string good = Field(2, Field(3, "bob"));
  const std::string bad = Field(2, Field(2, Field(1, "x")) + Field(2, Field(1, kBad)));
  EXPECT_EQ(Find(good + good + bad), "messages[2].parts[1].text");
}

TEST(FindInvalidUtf8Test, LooksIntoMaps) {
  EXPECT_EQ(Find(Field(11, Field(1, "team") + Field(2, kBad))), "labels[0].value");
  EXPECT_EQ(Find(Field(11, Field(1, kBad))), "labels[0].key");
}

TEST(FindInvalidUtf8Test, BytesMayBeAnything) {
  // messages[0].parts[0].image.data
  EXPECT_EQ(Find(Field(2, Field(2, Field(2, Field(2, kBad))))), "(none)");
}

TEST(FindInvalidUtf8Test, SkipsWhatItDoesNotKnow) {
  EXPECT_EQ(Find(Field(15, kBad)), "(none)");
  const std::string number("\x78\x05", 2);             // field 15, varint
  const std::string fixed("\x7d\x01\x02\x03\x04", 5);  // field 15, 32 bits
  EXPECT_EQ(Find(number + fixed + Field(1, kBad)), "model");
}

TEST(FindInvalidUtf8Test, StopsAtBytesThatAreNoMessage) {
  EXPECT_EQ(Find(std::string("\x0a\x7f", 2)), "(none)");
  EXPECT_EQ(Find(std::string(11, '\xff')), "(none)");
  EXPECT_EQ(Find(""), "(none)");
}

}  // namespace
}  // namespace pingti::rpc
