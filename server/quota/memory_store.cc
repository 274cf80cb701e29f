#include "server/quota/memory_store.h"

#include <array>
#include <optional>

namespace pingti::quota {
namespace {

// Each store of the process numbers its reservations in a range of its own.
constexpr int kIdBits = 40;

uint64_t FirstId() {
  static std::atomic<uint64_t> stores{0};
  return stores.fetch_add(1, std::memory_order_relaxed) << kIdBits;
}

void Refuse(const BucketSet& scope, const Shortage& shortage, base::Instant now,
            const Demand& demand, ReserveReply* reply) {
  reply->state = ReserveReply::State::kRefused;
  reply->refusal = Refusal{.scope = &scope,
                           .dimension = shortage.dimension,
                           .state = shortage.state,
                           .requested = shortage.requested,
                           .wait = shortage.wait,
                           .store_down = false};
  reply->first_scope = demand.scopes[0]->ReadAll(now);
  reply->shadow_by_scope = {};
  reply->shadow_refusals = 0;
}

}  // namespace

MemoryStore::MemoryStore() : last_id_(FirstId()) {}

void MemoryStore::Reserve(const Demand& demand, base::Instant now, ReserveReply* reply,
                          base::Signal* /*signal*/) {
  const std::span<BucketSet* const> scopes = demand.all();
  for (const BucketSet* scope : scopes) scope->Prefetch();
  // Looks everywhere before it takes anything: of all limits that refuse, the caller learns the one
  // with the longest wait.
  std::array<BucketSet::Seen, kScopesMax> seen;
  std::optional<Shortage> longest;
  const BucketSet* lacking = nullptr;
  for (size_t i = 0; i < scopes.size(); ++i) {
    const std::optional<Shortage> shortage = scopes[i]->Look(demand.tokens, now, &seen[i]);
    if (!shortage || (longest && shortage->wait <= longest->wait)) continue;
    longest = shortage;
    lacking = scopes[i];
  }
  if (longest) return Refuse(*lacking, *longest, now, demand, reply);

  ShadowByScope shadow{};
  for (size_t i = 0; i < scopes.size(); ++i) {
    ScopeStates* states = i == 0 ? &reply->first_scope : nullptr;
    const std::optional<Shortage> shortage =
        scopes[i]->TakeSeen(demand.tokens, now, &seen[i], &shadow[i], states);
    if (!shortage) continue;
    // Another call was faster.
    for (size_t taken = 0; taken < i; ++taken) {
      scopes[taken]->AdjustTokens(-demand.tokens, now, shadow[taken]);
      scopes[taken]->GiveRequestBack(now, shadow[taken]);
      scopes[taken]->FreeSlot();
    }
    return Refuse(*scopes[i], *shortage, now, demand, reply);
  }
  reply->state = ReserveReply::State::kGranted;
  reply->granted_by = GrantedBy::kStore;
  reply->id = ++last_id_;
  reply->refusal.reset();
  reply->shadow_by_scope = shadow;
  reply->shadow_refusals = 0;
  for (const uint8_t bits : shadow) reply->shadow_refusals |= bits;
}

void MemoryStore::Apply(const Change& change, base::Instant now) {
  const std::span<BucketSet* const> scopes = change.demand.all();
  for (size_t i = 0; i < scopes.size(); ++i) {
    const uint8_t shadow = change.shadow_by_scope[i];
    if (change.tokens != 0) scopes[i]->AdjustTokens(change.tokens, now, shadow);
    if (change.give_request_back) scopes[i]->GiveRequestBack(now, shadow);
    if (change.free_slot) scopes[i]->FreeSlot();
  }
}

void MemoryStore::Read(std::span<BucketSet* const> scopes, base::Instant now, ReadReply* reply,
                       base::Signal* /*signal*/) {
  for (size_t i = 0; i < scopes.size() && i < reply->states.size(); ++i) {
    reply->states[i] = scopes[i]->ReadAll(now);
  }
  reply->ready = true;
}

void MemoryStore::Correct(BucketSet& scope, Dimension dimension, int64_t remaining,
                          absl::Duration not_before, base::Instant now) {
  scope.Correct(dimension, remaining, not_before, now);
}

}  // namespace pingti::quota
