#include "tests/simulation/model_store.h"

#include <algorithm>

#include "server/base/strings.h"

namespace pingti::simulation {
namespace {

using quota::Dimension;

int64_t AmountOf(int dimension, int64_t tokens) {
  return quota::CountsTokens(static_cast<Dimension>(dimension)) ? tokens : 1;
}

}  // namespace

ModelStore::Model& ModelStore::ModelOf(quota::BucketSet& set) {
  const auto [it, is_new] = models_.try_emplace(&set);
  Model& model = it->second;
  if (!is_new) return model;
  for (int i = 0; i < quota::kBucketCount; ++i) {
    const auto dimension = static_cast<Dimension>(i);
    const auto& limit = set.limit(dimension);
    if (!limit || limit->limit == 0) continue;
    model.buckets[i].emplace(limit->limit, limit->capacity(),
                             absl::ToInt64Microseconds(quota::WindowOf(dimension)));
  }
  if (const auto& slots = set.limit(Dimension::kCallsAtOnce)) model.slots = slots->limit;
  return model;
}

bool ModelStore::Fits(const Model& model, int64_t tokens, base::Instant now) {
  for (int i = 0; i < quota::kBucketCount; ++i) {
    if (model.buckets[i] && !model.buckets[i]->Fits(AmountOf(i, tokens), now.micros())) {
      return false;
    }
  }
  return !model.slots || model.slots_taken < *model.slots;
}

void ModelStore::Reserve(const quota::Demand& demand, base::Instant now, quota::ReserveReply* reply,
                         base::Signal* signal) {
  store_.Reserve(demand, now, reply, signal);
  const bool granted = reply->state == quota::ReserveReply::State::kGranted;
  bool fits = true;
  for (quota::BucketSet* set : demand.all()) fits &= Fits(ModelOf(*set), demand.tokens, now);
  if (fits != granted) {
    Violation(base::StrCat(demand.scopes[0]->subject(), granted ? " admits" : " refuses ",
                           demand.tokens, " tokens against the model"));
  }
  if (!granted) return;
  for (quota::BucketSet* set : demand.all()) {
    Model& model = ModelOf(*set);
    for (int i = 0; i < quota::kBucketCount; ++i) {
      if (model.buckets[i]) model.buckets[i]->Use(AmountOf(i, demand.tokens), now.micros());
    }
    ++model.slots_taken;
  }
  Held& held = held_[reply->id];
  held.of_tenant = demand.scopes[0]->owner().starts_with("tenant:");
  held.signal = signal;
  held.granted = now;
  held.reserved = held.held = demand.tokens;
}

void ModelStore::Apply(const quota::Change& change, base::Instant now) {
  store_.Apply(change, now);
  const auto it = held_.find(change.id);
  if (it == held_.end()) return Violation("something is changed that nobody has reserved");
  Held& held = it->second;
  if (held.ends > 0) Violation("a reservation is changed after its end");
  for (quota::BucketSet* set : change.demand.all()) {
    Model& model = ModelOf(*set);
    for (int i = 0; i < quota::kBucketCount; ++i) {
      if (!model.buckets[i]) continue;
      const bool tokens = quota::CountsTokens(static_cast<Dimension>(i));
      const int64_t back = change.give_request_back ? -1 : 0;
      const int64_t amount = tokens ? change.tokens : back;
      if (amount != 0) model.buckets[i]->Use(amount, now.micros());
    }
    if (change.free_slot) --model.slots_taken;
  }
  if (!change.free_slot) {
    held.held += change.tokens;
    return;
  }
  ++held.ends;
  held.ended = now;
  held.end = change;
}

void ModelStore::Read(std::span<quota::BucketSet* const> scopes, base::Instant now,
                      quota::ReadReply* reply, base::Signal* signal) {
  store_.Read(scopes, now, reply, signal);
}

void ModelStore::Correct(quota::BucketSet& scope, Dimension dimension, int64_t remaining,
                         absl::Duration not_before, base::Instant now) {
  store_.Correct(scope, dimension, remaining, not_before, now);
  auto& bucket = ModelOf(scope).buckets[static_cast<size_t>(dimension)];
  if (!bucket) return;
  const absl::Duration up = absl::Ceil(not_before, absl::Microseconds(1));
  bucket->Correct(remaining, absl::ToInt64Microseconds(up), now.micros());
}

const Held* ModelStore::OfTenant(const base::Signal* signal) {
  const Held* found = nullptr;
  for (const auto& [id, held] : held_) {
    if (!held.of_tenant || held.signal != signal) continue;
    if (found != nullptr) Violation("a call is charged twice");
    found = &held;
  }
  return found;
}

void ModelStore::CheckAtEnd(base::Instant now) {
  for (const auto& [id, held] : held_) {
    if (held.ends != 1) Violation(base::StrCat("a reservation is settled ", held.ends, " times"));
  }
  for (auto& [set, model] : models_) {
    for (int i = 0; i < quota::kDimensionCount; ++i) {
      const auto state = set->Read(static_cast<Dimension>(i), now);
      if (!state) continue;
      const bool slots = i == static_cast<int>(Dimension::kCallsAtOnce);
      if (!slots && !model.buckets[i]) continue;
      const int64_t expected =
          slots ? model.slots.value_or(0) : model.buckets[i]->Remaining(now.micros());
      if (state->remaining == expected) continue;
      Violation(base::StrCat(set->subject(), " has ", state->remaining, " left of dimension ", i,
                             ", and the model ", expected));
    }
  }
}

}  // namespace pingti::simulation
