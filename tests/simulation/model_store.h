// A MemoryStore that checks itself: beside each set of limits there is an exact model, which has to
// agree with every answer, and every reservation has to be ended once.
//
// Thread-safety: none.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/quota/memory_store.h"
#include "tests/contract/exact_model.h"

namespace pingti::simulation {

// What somebody has taken.
struct Held {
  bool of_tenant = false;          // else ours at a provider
  base::Signal* signal = nullptr;  // of the call
  base::Instant granted;
  int64_t reserved = 0;
  int64_t held = 0;  // with what a stream has grown by
  int ends = 0;
  base::Instant ended;
  quota::Change end;
};

class ModelStore final : public quota::QuotaStore {
 public:
  explicit ModelStore(std::function<void(const std::string&)> on_violation)
      : on_violation_(std::move(on_violation)) {}

  void Reserve(const quota::Demand& demand, base::Instant now, quota::ReserveReply* reply,
               base::Signal* signal) override;
  void Apply(const quota::Change& change, base::Instant now) override;
  void Read(std::span<quota::BucketSet* const> scopes, base::Instant now, quota::ReadReply* reply,
            base::Signal* signal) override;
  void Correct(quota::BucketSet& scope, quota::Dimension dimension, int64_t remaining,
               absl::Duration not_before, base::Instant now) override;

  // In the order in which they were granted.
  const std::map<uint64_t, Held>& all() const { return held_; }
  // The tenant's of a call; null: it was granted none. More than one: a violation.
  const Held* OfTenant(const base::Signal* signal);
  // Nothing is held, and every bucket is where the model says.
  void CheckAtEnd(base::Instant now);

 private:
  struct Model {
    std::array<std::optional<quota::ExactBucket>, quota::kBucketCount> buckets;
    std::optional<int64_t> slots;
    int64_t slots_taken = 0;
  };
  Model& ModelOf(quota::BucketSet& set);
  static bool Fits(const Model& model, int64_t tokens, base::Instant now);
  void Violation(const std::string& what) { on_violation_("quota: " + what); }

  quota::MemoryStore store_;
  const std::function<void(const std::string&)> on_violation_;
  std::map<quota::BucketSet*, Model> models_;
  std::map<uint64_t, Held> held_;  // by id
};

}  // namespace pingti::simulation
