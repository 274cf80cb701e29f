// Decodes every transcript of openai/ whole, byte by byte, and cut in two at every byte, and
// compares each outcome with the expectation beside it (`name.txt`).
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "server/base/text.h"
#include "server/providers/openai/dialect.h"
#include "tests/unit/providers/describe.h"

namespace pingti::providers::openai {
namespace {

namespace fs = std::filesystem;
using testing::Describe;

std::vector<std::string> Transcripts(std::string_view extension) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(PINGTI_GOLDEN_FOLDER)) {
    if (entry.path().extension() == extension) names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

void ExpectGolden(const std::string& name, const std::string& outcome) {
  fs::path path = fs::path(PINGTI_GOLDEN_FOLDER) / (name + ".txt");
  if (std::getenv("PINGTI_GOLDEN_UPDATE") != nullptr) {
    std::ofstream(path, std::ios::binary) << outcome;
  }
  EXPECT_EQ(outcome, ReadFile(path)) << path;
}

class StreamGoldenTest : public ::testing::TestWithParam<std::string> {
 protected:
  std::string Decode(const std::vector<std::string_view>& pieces) {
    auto decoder = dialect_->NewStreamDecoder({});
    model::StreamEvents events;
    std::optional<model::Failure> failure;
    for (size_t i = 0; i < pieces.size() && !failure; ++i) {
      // A copy of its own for each piece, gone afterwards: no view may point into it.
      auto piece = std::make_unique<char[]>(pieces[i].size());
      std::copy(pieces[i].begin(), pieces[i].end(), piece.get());
      failure = decoder->Feed({piece.get(), pieces[i].size()}, &events);
    }
    if (!failure) failure = decoder->End(&events);
    std::string outcome = Describe(events) + Describe(decoder->info());
    if (failure) outcome += Describe(*failure);
    return outcome;
  }

  const std::string stream_ = ReadFile(fs::path(PINGTI_GOLDEN_FOLDER) / (GetParam() + ".sse"));
  const std::unique_ptr<Dialect> dialect_ = NewOpenAiDialect();
};

TEST_P(StreamGoldenTest, Whole) {
  std::string outcome = Decode({stream_});
  EXPECT_TRUE(base::IsValidUtf8(outcome));
  ExpectGolden(GetParam(), outcome);
}

TEST_P(StreamGoldenTest, ByteByByte) {
  std::vector<std::string_view> pieces;
  for (size_t at = 0; at < stream_.size(); ++at) {
    pieces.push_back(std::string_view(stream_).substr(at, 1));
  }
  EXPECT_EQ(Decode(pieces), Decode({stream_}));
}

TEST_P(StreamGoldenTest, CutAtEveryByte) {
  const std::string whole = Decode({stream_});
  std::string_view stream = stream_;
  for (size_t cut = 0; cut <= stream.size(); ++cut) {
    ASSERT_EQ(Decode({stream.substr(0, cut), stream.substr(cut)}), whole) << "cut at " << cut;
  }
}

// However early a stream ends: only one that has its finish reasons is complete.
TEST_P(StreamGoldenTest, EndedAtEveryByte) {
  std::string_view stream = stream_;
  for (size_t end = 0; end <= stream.size(); ++end) {
    std::string outcome = Decode({stream.substr(0, end)});
    bool complete = outcome.find("failure ") == std::string::npos;
    bool finished = outcome.find("\nend ") != std::string::npos || outcome.starts_with("end ");
    ASSERT_TRUE(!complete || finished) << "ended at " << end << ":\n" << outcome;
  }
}

INSTANTIATE_TEST_SUITE_P(OpenAi, StreamGoldenTest, ::testing::ValuesIn(Transcripts(".sse")),
                         [](const auto& info) { return info.param; });

class AnswerGoldenTest : public ::testing::TestWithParam<std::string> {};

TEST_P(AnswerGoldenTest, Whole) {
  std::string body = ReadFile(fs::path(PINGTI_GOLDEN_FOLDER) / (GetParam() + ".json"));
  auto result = NewOpenAiDialect()->DecodeAnswer("application/json", body);
  auto* failure = std::get_if<model::Failure>(&result);
  ExpectGolden(GetParam(),
               failure != nullptr ? Describe(*failure) : Describe(std::get<model::Answer>(result)));
}

// A body that ends early is never an answer.
TEST_P(AnswerGoldenTest, EndedAtEveryByte) {
  std::string body = ReadFile(fs::path(PINGTI_GOLDEN_FOLDER) / (GetParam() + ".json"));
  auto dialect = NewOpenAiDialect();
  while (!body.empty() && std::isspace(static_cast<unsigned char>(body.back()))) body.pop_back();
  for (size_t end = 0; end < body.size(); ++end) {
    auto result = dialect->DecodeAnswer("application/json", std::string_view(body).substr(0, end));
    ASSERT_TRUE(std::holds_alternative<model::Failure>(result)) << "ended at " << end;
  }
}

INSTANTIATE_TEST_SUITE_P(OpenAi, AnswerGoldenTest, ::testing::ValuesIn(Transcripts(".json")),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace pingti::providers::openai
