// What is written down about each call when it ends: who, what, where it went, how it ended, what
// it used and how long it took.
//
// An allow-list by construction: a record has no member for a prompt, an answer, a header, a key's
// secret or a provider's text, so none can be logged by mistake. What callers choose (request id,
// labels) is cut to kAccessStringBytesMax.
//
// Value type; no thread-safety.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "server/base/money.h"
#include "server/model/failure.h"
#include "server/model/usage.h"
#include "server/telemetry/call_stats.h"

namespace pingti::telemetry {

// Longer strings are cut at a character's boundary; more attempts or labels are left out.
inline constexpr size_t kAccessStringBytesMax = 256;
inline constexpr size_t kAccessAttemptsMax = 16;
inline constexpr size_t kAccessLabelsMax = 16;

// One attempt at one target.
struct AccessAttempt {
  std::string provider;
  std::string upstream_model;
  bool failed = false;
  model::FailureClass failure_class = model::FailureClass::kServerError;  // where it failed
  int upstream_status = 0;                                                // HTTP; 0: none came
  absl::Duration duration;
  // What was done after it: `same_target`, `next_key`, `next_target` or `give_up`; empty: nothing
  // had to be. Outlives the record: one of these constants.
  std::string_view next;
  int64_t bytes_in = 0;  // of the provider's answer, as received
  std::string key;       // name, never the secret, of the provider's key; empty: it has only one
};

struct AccessRecord {
  absl::Time time;  // when the call ended
  std::string request_id;
  std::string tenant;
  std::string key_public_id;
  Method method = Method::kUnary;
  std::string model;  // as the caller named it
  std::string provider;
  std::string upstream_model;
  int result = kResultOk;  // or ResultOf(reason); gives `code` and `reason`
  std::string cause;       // in short, for example `first_token_timeout`; empty where it went well
  std::vector<AccessAttempt> attempts;
  model::Usage usage;
  std::optional<base::Money> charged;               // nothing: no price, or nothing was used
  std::optional<base::Money> requested_model_cost;  // at the price of the model that was named
  std::string_view price_version;                   // of `charged`; outlives the record
  int64_t chunks = 0;                               // content messages sent
  int64_t bytes_in = 0;                             // of the caller's request
  int64_t bytes_out = 0;                            // of messages sent to the caller
  absl::Duration total;
  absl::Duration first_token = absl::InfiniteDuration();  // infinite: no content was sent
  absl::Duration queue;                                   // spent waiting for quota
  std::string peer;
  std::map<std::string, std::string> labels;
};

// Appends the record to `out` as one line of JSON with its newline. Members that say nothing (empty
// strings, zero usage, no first token) are left out. Invalid UTF-8 becomes U+FFFD. Reuse `out`:
// then nothing is allocated.
void WriteJson(const AccessRecord& record, std::string* out);

// The labels of a call as one JSON object, cut and cleaned as in the record.
std::string LabelsJson(const std::map<std::string, std::string>& labels);

}  // namespace pingti::telemetry
