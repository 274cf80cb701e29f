// What callers, providers and access records say of the same calls must fit together.
//
// Each check adds its findings to the running test, at most kFindingsMax of them. Thread-safety:
// none.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/integration/chaos_crowd.h"
#include "tests/integration/fragile_provider.h"

namespace pingti::integration {

struct RecordedAttempt {
  std::string provider;
  std::string failure;  // class; empty: it did not fail
  int status = 0;       // HTTP; 0: no answer
  std::string next;
};

// An access record.
struct RecordedCall {
  std::string code;
  std::string provider;
  double total_ms = 0;
  int64_t chunks = 0;
  int64_t output_tokens = 0;
  bool measured = false;
  std::vector<RecordedAttempt> attempts;
};

// The access records of completions by the call's id, from what the server has written. A second
// record of a call is a finding.
std::map<std::string, RecordedCall> ReadRecords(const std::string& written);

// When the requests of each call arrived, by provider.
using Arrivals = std::map<std::string, std::map<std::string, std::vector<int64_t>>>;  // by user
Arrivals ArrivalsAt(const std::vector<const FragileProvider*>& providers);

class ChaosCheck {
 public:
  ChaosCheck(std::map<std::string, RecordedCall> records, Arrivals arrivals);

  // All that is promised of one call:
  //   - it ended by its deadline and `slack`, for the caller and in the record;
  //   - its text is the beginning of what one provider says to it, the one that is named, and all
  //     of it where the call went well;
  //   - after its first content no provider was asked again, and only the last attempt served;
  //   - providers saw the attempts of the record, and no others;
  //   - a whole answer was charged once.
  void CheckCall(const ChaosCall& call, Millis slack);
  // No provider was asked for a call that has no record.
  void CheckNoStrays();

  size_t AttemptsOf(const ChaosCall& call) const;
  // Requests that providers have seen.
  int64_t arrivals() const;

 private:
  static constexpr int kFindingsMax = 20;

  void Find(const std::string& id, const std::string& what);
  void CheckText(const ChaosCall& call);
  void CheckTimes(const ChaosCall& call, const RecordedCall* record, Millis slack);
  void CheckAttempts(const ChaosCall& call, const RecordedCall& record);
  void CheckArrivals(const ChaosCall& call, const RecordedCall& record);

  const std::map<std::string, RecordedCall> records_;
  const Arrivals arrivals_;
  int findings_ = 0;
};

}  // namespace pingti::integration
