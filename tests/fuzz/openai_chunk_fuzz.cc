// The OpenAI dialect on any bytes, as a stream, as a whole answer and as an error: it never
// crashes, what comes out is valid UTF-8 and bounded, a cut changes nothing, and an answer that is
// taken for complete has had its finish reasons.
//
// Input: two bytes that say where to cut, one that picks the HTTP status, then the body.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "server/base/check.h"
#include "server/base/text.h"
#include "server/providers/openai/dialect.h"
#include "server/providers/retry_after.h"
#include "server/providers/upstream_text.h"
#include "tests/unit/providers/describe.h"

namespace pingti::providers::openai {
namespace {

using testing::Describe;

constexpr size_t kHeadBytes = 3;
constexpr int kStatuses[] = {200, 301, 400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 503, 529};

void CheckFailure(const model::Failure& failure) {
  PINGTI_CHECK(base::IsValidUtf8(failure.upstream_text), "kept text is valid UTF-8");
  PINGTI_CHECK(failure.upstream_text.size() <= kUpstreamTextBytesMax, "kept text is bounded");
  PINGTI_CHECK(!failure.message.empty(), "a failure says what it is");
  if (!failure.retry_after) return;
  PINGTI_CHECK(
      *failure.retry_after >= absl::ZeroDuration() && *failure.retry_after <= kRetryAfterMax,
      "a wait is bounded");
}

std::string DecodeStream(Dialect& dialect, const std::vector<std::string_view>& pieces) {
  DecoderLimits limits;
  limits.line_bytes_max = 64 * 1024;
  auto decoder = dialect.NewStreamDecoder(limits);
  model::StreamEvents events;
  std::optional<model::Failure> failure;
  for (size_t i = 0; i < pieces.size() && !failure; ++i) {
    auto piece = std::make_unique<char[]>(pieces[i].size());
    pieces[i].copy(piece.get(), pieces[i].size());
    failure = decoder->Feed({piece.get(), pieces[i].size()}, &events);
  }
  if (!failure) {
    failure = decoder->End(&events);
    PINGTI_CHECK(failure || !events.ends.empty(), "what is complete has a finish reason");
  }
  std::string outcome = Describe(events) + Describe(decoder->info());
  PINGTI_CHECK(base::IsValidUtf8(outcome), "text is valid UTF-8");
  const model::Usage& usage = decoder->info().usage;
  PINGTI_CHECK(usage.input_tokens >= 0 && usage.output_tokens >= usage.reasoning_tokens &&
                   usage.input_tokens >= usage.cached_input_tokens,
               "usage makes sense");
  if (failure) {
    CheckFailure(*failure);
    outcome += Describe(*failure);
  }
  return outcome;
}

void Run(std::string_view input) {
  if (input.size() < kHeadBytes) return;
  auto byte = [input](size_t at) { return static_cast<unsigned char>(input[at]); };
  std::string_view body = input.substr(kHeadBytes);
  size_t cut = ((byte(0) << 8) | byte(1)) % (body.size() + 1);
  auto dialect = NewOpenAiDialect();

  std::string whole = DecodeStream(*dialect, {body});
  PINGTI_CHECK(DecodeStream(*dialect, {body.substr(0, cut), body.substr(cut)}) == whole,
               "a cut changes nothing");
  std::vector<std::string_view> bytes;
  for (size_t i = 0; i < body.size(); ++i) bytes.push_back(body.substr(i, 1));
  PINGTI_CHECK(DecodeStream(*dialect, bytes) == whole, "byte by byte is the same");

  auto result = dialect->DecodeAnswer("application/json", body);
  if (auto* answer = std::get_if<model::Answer>(&result)) {
    PINGTI_CHECK(base::IsValidUtf8(Describe(*answer)), "text is valid UTF-8");
    PINGTI_CHECK(!answer->choices.empty(), "an answer has a choice");
    for (const model::Choice& choice : answer->choices) {
      PINGTI_CHECK(choice.finish_reason != model::FinishReason::kNone,
                   "what is complete has a finish reason");
    }
  } else {
    CheckFailure(std::get<model::Failure>(result));
  }
  // The beginning of the body serves for the headers, too.
  CheckFailure(dialect->Classify(kStatuses[byte(2) % std::size(kStatuses)], "", body,
                                 body.substr(0, std::min<size_t>(body.size(), 40)), "",
                                 absl::FromUnixSeconds(784111777)));
}

}  // namespace
}  // namespace pingti::providers::openai

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pingti::providers::openai::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
