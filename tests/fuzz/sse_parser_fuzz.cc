// The SSE parser on any bytes: the events do not depend on how the bytes were cut, and they are
// those of the standard, as the slow reference reads it.
//
// Input: two bytes that say where to cut, one that says how long a line may be, then the stream.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/base/check.h"
#include "server/providers/sse_parser.h"
#include "tests/unit/providers/reference_sse.h"

namespace pingti::providers {
namespace {

constexpr size_t kHeadBytes = 3;
constexpr size_t kLimitMin = 4;

struct Outcome {
  std::vector<testing::NamedData> events;
  SseResult end = SseResult::kNeedMore;
  bool operator==(const Outcome&) const = default;
};

Outcome Parse(const std::vector<std::string_view>& pieces, size_t limit) {
  SseParser parser(limit);
  Outcome outcome;
  SseEvent event;
  for (std::string_view piece : pieces) {
    auto bytes = std::make_unique<char[]>(piece.size());
    piece.copy(bytes.get(), piece.size());
    parser.Feed({bytes.get(), piece.size()});
    while ((outcome.end = parser.Next(&event)) == SseResult::kEvent) {
      PINGTI_CHECK(event.data.size() <= limit, "the data of an event is bounded");
      outcome.events.emplace_back(event.name, event.data);
    }
    if (outcome.end != SseResult::kNeedMore) return outcome;
  }
  outcome.end = parser.Finish(&event);
  if (outcome.end == SseResult::kEvent) {
    outcome.events.emplace_back(event.name, event.data);
    outcome.end = SseResult::kNeedMore;
  }
  return outcome;
}

void Run(std::string_view input) {
  if (input.size() < kHeadBytes) return;
  auto byte = [input](size_t at) { return static_cast<unsigned char>(input[at]); };
  size_t limit = byte(2) == 0 ? SIZE_MAX : kLimitMin + byte(2);
  std::string_view stream = input.substr(kHeadBytes);
  size_t cut = ((byte(0) << 8) | byte(1)) % (stream.size() + 1);

  Outcome whole = Parse({stream}, limit);
  PINGTI_CHECK(Parse({stream.substr(0, cut), stream.substr(cut)}, limit) == whole,
               "a cut changes nothing");
  std::vector<std::string_view> bytes;
  for (size_t i = 0; i < stream.size(); ++i) bytes.push_back(stream.substr(i, 1));
  PINGTI_CHECK(Parse(bytes, limit) == whole, "byte by byte is the same");
  if (limit == SIZE_MAX && stream.find('\0') == std::string_view::npos) {
    PINGTI_CHECK(whole.events == testing::ReferenceEvents(stream), "the reference agrees");
  }
}

}  // namespace
}  // namespace pingti::providers

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pingti::providers::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
