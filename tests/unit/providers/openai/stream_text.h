// Streams of an OpenAI-compatible provider as text, and what the decoder makes of them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/base/strings.h"
#include "server/providers/openai/dialect.h"
#include "tests/unit/providers/describe.h"

namespace pingti::providers::openai::testing {

// Feeds `stream` in pieces of `size` bytes and describes everything that came out of it.
inline std::string Decode(std::string_view stream, size_t size = SIZE_MAX,
                          DecoderLimits limits = {}) {
  auto dialect = NewOpenAiDialect();
  auto decoder = dialect->NewStreamDecoder(limits);
  model::StreamEvents events;
  std::optional<model::Failure> failure;
  for (size_t at = 0; at < stream.size() && !failure;) {
    std::string_view piece = stream.substr(at, size);
    failure = decoder->Feed(piece, &events);
    at += piece.size();
  }
  if (!failure) failure = decoder->End(&events);
  std::string lines =
      providers::testing::Describe(events) + providers::testing::Describe(decoder->info());
  if (failure) lines += providers::testing::Describe(*failure);
  return lines;
}

inline std::string Event(std::string_view data) { return base::StrCat("data: ", data, "\n\n"); }

// A chunk whose only choice is number 0 and has `fields`.
inline std::string Choice(std::string_view fields) {
  return Event(base::StrCat(R"({"choices":[{"index":0,)", fields, "}]}"));
}
inline std::string Delta(std::string_view fields) {
  return Choice(base::StrCat(R"("delta":{)", fields, "}"));
}
inline std::string Finish(std::string_view reason) {
  return Choice(base::StrCat(R"("delta":{},"finish_reason":")", reason, "\""));
}
inline std::string Usage(std::string_view usage) {
  return Event(base::StrCat(R"({"choices":[],"usage":)", usage, "}"));
}

inline const std::string kHi = Delta(R"("content":"hi")");
inline const std::string kStop = Finish("stop");
inline const std::string kDone = Event("[DONE]");
inline const std::string kHiStop = "text 0 \"hi\"\nend 0 stop\n";

inline std::string Tools(std::string_view fragments) {
  return Delta(base::StrCat(R"("tool_calls":[)", fragments, "]"));
}

}  // namespace pingti::providers::openai::testing
