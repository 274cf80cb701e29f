// What a request may ask of the simulated provider beyond OpenAI's API: its knobs.
//
// A knob reaches the provider in four ways; the later ones win over the earlier ones:
//   1. the server-wide default: --defaults, --rpm, --tpm, then POST /sim/defaults with a JSON
//   object;
//   2. the model's name: `gpt-4o+sim:fault=18,first_token_ms=50`;
//   3. the first marker in the last user message: `[sim:fault=18,chunks=4]`;
//   4. a header `x-sim-<knob>: value` (`-` and `_` are the same in its name).
// An unknown knob or a bad value is refused with 400, so that a typo in a test cannot pass unseen.
//
// Thread-safety: values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace pingti::upstream {

// Where and how the usage of an answer is reported (tests of the readers of it).
enum class UsageShape {
  kOpenAi,        // as OpenAI: unary always; stream only with stream_options.include_usage
  kFinishChunk,   // in the finish chunk, unasked (Yi)
  kChoice,        // inside choices[0] of the finish chunk (Moonshot)
  kEveryChunk,    // cumulative, on every chunk
  kNone,          // never
  kZero,          // 0/0
  kNullThenReal,  // null on every chunk, then real, unasked
  kPromptZero,    // prompt 0, completion real
  kDoubtful,      // negative, fractional, text, 2^63 and falling numbers
};

struct Knobs {
  double latency_ms = 0;         // before the first byte of the answer's header
  double first_token_ms = 0;     // between the role chunk and the first content
  double chunk_interval_ms = 0;  // between content chunks, on an absolute schedule
  double tokens_per_second = 0;  // instead of chunk_interval_ms: content paced by its size
  double trickle_ms = 50;        // fault 22: time between bytes
  double ping_ms = 100;          // fault 5: longest silence that pings leave
  int64_t chunks = 0;            // content chunks of a stream; 0: by chunk_bytes
  int64_t chunk_bytes = 0;       // bytes of content per chunk; 0: 8
  int64_t output_tokens = 0;     // size of the answer, exactly; 0: what the text has
  int64_t segment_bytes = 0;     // most bytes per send(); 0: no limit
  int64_t fail_times = 0;        // fault and status only for the first N requests with that key
  int64_t fail_every = 0;        // fault and status only for every Nth request; 0: for all
  int64_t rpm = 0;               // requests per minute per API key; 0: no limit
  int64_t tpm = 0;               // tokens per minute per API key; 0: no limit
  bool send_time = false;        // content is `t=<CLOCK_MONOTONIC ns>;` padded with dots
  bool canned = false;           // one prebuilt answer for load, whatever the prompt
  bool reasoning = false;        // reasoning_content before the content
  bool citations = false;        // Yi's `quote`
  std::optional<UsageShape> usage_shape;
  std::string voice;           // the answer's words tell who says them, and in which order
  std::string fault;           // name of a row in faults.cc
  std::string status;          // name of a row in errors.cc
  std::string key;             // what fail_times counts by
  std::string retry_after;     // value of Retry-After in an error
  std::string retry_after_ms;  // value of retry-after-ms in an error

  friend bool operator==(const Knobs&, const Knobs&) = default;
};

// Largest answer that knobs may ask for, in bytes of content of all choices.
inline constexpr int64_t kAnswerBytesMax = 16 * 1024 * 1024;
// Most content chunks of a stream.
inline constexpr int64_t kChunksMax = 100'000;

// Sets one knob from text. INVALID_ARGUMENT: unknown name, or a value out of its range.
absl::Status SetKnob(std::string_view name, std::string_view value, Knobs* knobs);

// Sets the knobs of `a=b,c=d`. INVALID_ARGUMENT as SetKnob.
absl::Status SetKnobList(std::string_view list, Knobs* knobs);

// INVALID_ARGUMENT where knobs that are fine one by one ask for too much together, for an answer of
// `choices` choices.
absl::Status CheckKnobs(const Knobs& knobs, int64_t choices = 1);

// All that distinguishes two sets of knobs, as bytes: a key for caches.
std::string KnobsKey(const Knobs& knobs);

// The list in --help.
std::string KnobHelp();

}  // namespace pingti::upstream
