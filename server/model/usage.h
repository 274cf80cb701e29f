// What a call used, in tokens, and how sure that is. Same meaning as pingti.v1.Usage.
#pragma once

#include <cstdint>

namespace pingti::model {

enum class UsageSource { kNone, kMeasured, kCounted, kEstimated };

struct Usage {
  int64_t input_tokens = 0;         // cached ones included
  int64_t output_tokens = 0;        // reasoning included
  int64_t cached_input_tokens = 0;  // part of input_tokens
  int64_t reasoning_tokens = 0;     // part of output_tokens
  UsageSource source = UsageSource::kNone;
  // True where the provider may have produced more than reached us; settlement then never gives
  // back.
  bool lower_bound = false;

  int64_t total() const { return input_tokens + output_tokens; }
  friend bool operator==(const Usage&, const Usage&) = default;
};

}  // namespace pingti::model
