// What docs/resilience.md says of rests, breakers and retry budgets, once more and on its own: the
// yardstick for where attempts go. Slow and plain on purpose; shares nothing with server/routing/.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/config/config.h"
#include "server/model/failure.h"

namespace pingti::simulation {

enum class NextStep { kGiveUp, kNextKey, kNextTarget, kSameTarget };
NextStep NextStepAfter(model::FailureClass failure);

// A model at a provider with one of our keys there.
struct Place {
  std::string provider;
  std::string key;
  std::string model;  // its name there
  friend bool operator==(const Place&, const Place&) = default;
};

class HealthModel {
 public:
  explicit HealthModel(const config::Routing& routing) : routing_(routing) {}

  // Why no attempt may be made there now; empty: one may.
  std::string WhyNot(const Place& place, base::Instant now) const;

  // An attempt begins. True: it is a breaker's probe, which is told to the first of its results.
  bool OnStart(const Place& place);
  void OnSuccess(const Place& place, bool probe, base::Instant now);
  void OnFailure(const Place& place, bool probe, model::FailureClass failure,
                 std::optional<absl::Duration> retry_after, base::Instant now);
  void OnNeither(const Place& place, bool probe);

  // A call was first sent to a provider, or sent there again, by a decision at `when`; decisions at
  // the same time are told apart by `turn`.
  void OnFirst(const std::string& provider, base::Instant when, uint64_t turn);
  void OnAgain(const std::string& provider, base::Instant when, uint64_t turn);
  // Whether a decision to send a call there again keeps to the retry budget.
  bool MayTryAgain(const std::string& provider, base::Instant when, uint64_t turn) const;

 private:
  struct Breaker {
    struct Result {
      int64_t second = 0;
      bool failed = false;
    };
    std::vector<Result> results;  // since it was last closed
    int in_a_row = 0;
    int openings = 0;
    bool open = false;
    bool probing = false;
    base::Instant until;
    base::Instant healthy_since;
  };
  struct Decision {
    base::Instant when;
    uint64_t turn = 0;
    bool again = false;
  };
  using Target = std::tuple<std::string, std::string, std::string>;
  static Target TargetOf(const Place& place) { return {place.provider, place.key, place.model}; }
  void NoteFailure(Breaker& breaker, bool probe, base::Instant now);
  void Open(Breaker& breaker, base::Instant now);

  const config::Routing routing_;
  std::map<std::string, base::Instant> out_until_;
  std::map<std::string, int> hosts_unknown_;
  std::map<std::pair<std::string, std::string>, base::Instant> key_rests_until_;
  std::map<Target, Breaker> breakers_;
  std::map<std::string, std::vector<Decision>> decisions_;
};

}  // namespace pingti::simulation
