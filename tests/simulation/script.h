// What a simulated provider does with one request: steps in time, and what a caller may make of
// them.
//
// Pure. A stream's bytes are those of the OpenAI dialect, with whatever is allowed there drawn
// anew: line ends, escapes, comments, hidden reasoning, a usage or none, a terminator or none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "server/model/failure.h"
#include "server/transport/http_transport.h"
#include "tests/simulation/seeded_random.h"

namespace pingti::simulation {

enum class Fault {
  kNone,
  kConnect,
  kHostUnknown,
  kRateLimited,
  kBadKey,
  kRegionBlocked,
  kBadRequest,
  kModelNotFound,
  kServerError,
  kOverloaded,
  kMalformed,   // before or after content
  kStall,       // before the first token
  kStallLater,  // after content
  kCut,         // anywhere
  kErrorFirst,  // an error in the stream, before content
  kErrorLater,  // after it
  kTrickle,     // whole, but slow
  kTooLarge,
};
inline constexpr int kFaultCount = static_cast<int>(Fault::kTooLarge) + 1;
std::string_view FaultName(Fault fault);

struct Step {
  enum class Kind { kConnect, kHeader, kBody, kEnd, kError };
  absl::Duration after;  // the step before
  Kind kind = Kind::kConnect;
  int status = 0;
  std::map<std::string, std::string> headers;
  std::string bytes;
  transport::TransportError error = transport::TransportError::kNone;
};

// An event of a stream.
struct Mark {
  size_t whole_at = 0;   // bytes after which its data are whole: it counts if the body ends there
  size_t seen_at = 0;    // bytes after which a parser has to see it
  bool content = false;  // text, reasoning or a finish
  bool finish = false;
  bool usage = false;
  bool done = false;
  std::string text;  // of the answer so far
  std::string reasoning;
};

// What of a stream counts at some point.
struct Progress {
  bool content = false;
  bool finish = false;
  bool usage = false;
  bool done = false;
  std::string text;
  std::string reasoning;
};

struct Script {
  Fault fault = Fault::kNone;
  // How it ends by itself. Nothing: with a whole answer, or not at all.
  std::optional<model::FailureClass> failure;
  std::optional<absl::Duration> retry_after;
  std::vector<Step> steps;
  bool stream = false;
  std::vector<Mark> marks;  // of a stream
  // Of the whole answer, also where it is not sent to its end.
  std::string text;
  std::string reasoning;
  bool whole_sent = false;  // unary: the answer is in the steps
  bool reports_usage = false;
  int64_t input_tokens = 0;
  int64_t output_tokens = 0;

  // After `bytes` of the body, or where it `ended` there.
  Progress At(size_t bytes, bool ended) const;
};

// `number` makes its texts different from all others.
Script MakeScript(SeededRandom& random, Fault fault, bool stream, int number);

}  // namespace pingti::simulation
