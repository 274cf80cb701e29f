#include "server/quota/redis_store.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "server/base/strings.h"
#include "server/quota/redis_store_commands.h"

namespace pingti::quota {
namespace {

using telemetry::StoreFailure;

// How often a worker looks after the mode that it shows and whether a probe is due.
constexpr absl::Duration kLookUp = absl::Seconds(1);
constexpr absl::Duration kLookDown = absl::Milliseconds(200);

// Apart from those of MemoryStore, which start at 0.
uint64_t NextId() {
  static std::atomic<uint64_t> next{uint64_t{1} << 63};
  return next.fetch_add(1, std::memory_order_relaxed);
}

// The share of a scope that decides while the store is down; null: nothing of it is enforced then.
BucketSet* ShareOf(BucketSet& scope) {
  if (scope.when_store_is_down() != config::StoreDownPolicy::kLocal) return nullptr;
  return scope.local_share() != nullptr ? scope.local_share() : &scope;
}

// `demand` of the local shares.
Demand SharesOf(const Demand& demand) {
  Demand shares;
  shares.tokens = demand.tokens;
  for (BucketSet* scope : demand.all()) {
    if (BucketSet* share = ShareOf(*scope)) shares.scopes[shares.scope_count++] = share;
  }
  return shares;
}

// Whether the whole limit could grant what its share never can.
bool FitsTheWhole(const Demand& demand, const Refusal& refusal) {
  for (const BucketSet* scope : demand.all()) {
    if (scope->subject() != refusal.scope->subject()) continue;
    const std::optional<config::Limit>& whole = scope->limit(refusal.dimension);
    return whole && whole->capacity() >= refusal.requested;
  }
  return false;
}

bool RefuseClosed(const Demand& demand, base::Instant now, ReserveReply* reply) {
  for (const BucketSet* scope : demand.all()) {
    if (!scope->closed()) continue;
    const std::optional<Shortage> shortage = scope->Test(demand.tokens, now);
    if (!shortage) continue;
    reply->refusal = Refusal{.scope = scope,
                             .dimension = shortage->dimension,
                             .state = shortage->state,
                             .requested = shortage->requested,
                             .wait = shortage->wait,
                             .store_down = false};
    reply->first_scope = demand.scopes[0]->ReadAll(now);
    reply->state = ReserveReply::State::kRefused;
    return true;
  }
  return false;
}

bool AnyClosed(std::span<BucketSet* const> scopes) {
  return std::any_of(scopes.begin(), scopes.end(), [](const BucketSet* s) { return s->closed(); });
}

}  // namespace

RedisStore::RedisStore(const RedisStoreParts& parts, RedisStoreOptions options)
    : parts_(parts),
      options_(std::move(options)),
      nonce_(base::StrCat(absl::Hex(parts.random->Next(), absl::kZeroPad16))),
      look_timer_(*parts.loop, [this] { Look(); }),
      renew_timer_(*parts.loop, [this] { Renew(); }),
      connection_(*parts.loop, *parts.clock, *parts.random, *parts.config, *this) {
  look_timer_.Arm(kLookDown);
  renew_timer_.Arm(options_.lease / 3);
}

void RedisStore::Reserve(const Demand& demand, base::Instant now, ReserveReply* reply,
                         base::Signal* signal) {
  if (RefuseClosed(demand, now, reply)) return;
  if (parts_.health->up()) {
    Scopes scopes = ScopesOf(demand.all());
    const uint64_t id = NextId();
    RedisCall call = ReserveCall(scopes, demand.tokens, MemberOf(id), options_.lease, ScriptNow());
    if (Send(std::make_unique<ReserveCommand>(*this, std::move(call), std::move(scopes), demand, id,
                                              now, reply, signal))) {
      return;
    }
  }
  DecideWithoutStore(demand, now, reply);
}

void RedisStore::Apply(const Change& change, base::Instant now) {
  if (change.granted_by == GrantedBy::kNobody) return;
  if (change.granted_by == GrantedBy::kLocalShare) {
    Change of_shares = change;
    of_shares.demand = SharesOf(change.demand);
    return local_.Apply(of_shares, now);
  }
  const Scopes scopes = ScopesOf(change.demand.all());
  if (change.free_slot) LetGo(scopes, change.id);
  SendChange(scopes,
             RedisChange{.tokens = change.tokens,
                         .requests = change.give_request_back ? -1 : 0,
                         .free_slot = change.free_slot,
                         .shadow_by_scope = change.shadow_by_scope},
             change.id);
}

void RedisStore::SendChange(const Scopes& scopes, const RedisChange& change, uint64_t id) {
  std::optional<RedisCall> call = ChangeCall(scopes, change, MemberOf(id), ScriptNow());
  if (!call) return;
  // Also while the store counts as down: nobody waits for it, and it may yet arrive.
  if (!Send(std::make_unique<ChangeCommand>(*this, std::move(*call)))) {
    parts_.stats->lost_changes.Add();
  }
}

void RedisStore::Read(std::span<BucketSet* const> scopes, base::Instant now, ReadReply* reply,
                      base::Signal* signal) {
  if (parts_.health->up() && !AnyClosed(scopes)) {
    Scopes asked = ScopesOf(scopes);
    RedisCall call = ReadCall(asked, ScriptNow());
    if (Send(std::make_unique<ReadCommand>(*this, std::move(call), std::move(asked), scopes, now,
                                           reply, signal))) {
      return;
    }
  }
  ReadWithoutStore(scopes, now, reply);
}

void RedisStore::Correct(BucketSet& scope, Dimension dimension, int64_t remaining,
                         absl::Duration not_before, base::Instant now) {
  if (scope.closed()) return;
  if (!parts_.health->up()) {
    if (BucketSet* share = ShareOf(scope)) share->Correct(dimension, remaining, not_before, now);
    return;
  }
  const RedisScope asked(scope, parts_.config->prefix);
  std::optional<RedisCall> call = CorrectCall(asked, dimension, remaining, not_before, ScriptNow());
  if (!call) return;
  if (!Send(std::make_unique<ChangeCommand>(*this, std::move(*call)))) {
    parts_.stats->lost_changes.Add();
  }
}

void RedisStore::DecideWithoutStore(const Demand& demand, base::Instant now, ReserveReply* reply) {
  ShowMode();
  for (BucketSet* scope : demand.all()) {
    if (scope->when_store_is_down() != config::StoreDownPolicy::kDeny) continue;
    parts_.stats->denied.Add();
    Refusal& refusal = reply->refusal.emplace();
    refusal.scope = scope;
    refusal.wait = kStoreProbeInterval;
    refusal.store_down = true;
    reply->state = ReserveReply::State::kRefused;
    return;
  }
  const Demand shares = SharesOf(demand);
  if (shares.scope_count == 0) {
    parts_.stats->allowed.Add();
    reply->granted_by = GrantedBy::kNobody;
    reply->id = NextId();
    reply->state = ReserveReply::State::kGranted;
    return;
  }
  parts_.stats->decided_locally.Add();
  local_.Reserve(shares, now, reply, nullptr);
  reply->granted_by = GrantedBy::kLocalShare;
  if (!reply->refusal) return;
  // What is too large for the share alone may fit when the store is back.
  Refusal& refusal = *reply->refusal;
  if (refusal.wait == absl::InfiniteDuration() && FitsTheWhole(demand, refusal)) {
    refusal.wait = kStoreProbeInterval;
  }
}

void RedisStore::ReadWithoutStore(std::span<BucketSet* const> scopes, base::Instant now,
                                  ReadReply* reply) const {
  reply->store_down = false;
  for (size_t i = 0; i < scopes.size() && i < reply->states.size(); ++i) {
    // The store knows nothing of a closed scope, and nobody takes from the set itself: it is full.
    const BucketSet* share = scopes[i]->closed() ? scopes[i] : ShareOf(*scopes[i]);
    reply->states[i] = (share != nullptr ? share : scopes[i])->ReadAll(now);
    if (share == nullptr) reply->store_down = true;
  }
  reply->ready = true;
}

RedisStore::Scopes RedisStore::ScopesOf(std::span<BucketSet* const> sets) const {
  Scopes scopes;
  scopes.reserve(sets.size());
  for (const BucketSet* set : sets) scopes.emplace_back(*set, parts_.config->prefix);
  return scopes;
}

RedisNow RedisStore::ScriptNow() const {
  if (!options_.clock_for_tests) return std::nullopt;
  return options_.clock_for_tests();
}

std::string RedisStore::MemberOf(uint64_t id) const {
  return base::StrCat(nonce_, "-", absl::Hex(id));
}

bool RedisStore::Send(std::unique_ptr<Command> command) {
  if (!connection_.Send(std::move(command))) {
    parts_.stats->failures[static_cast<int>(StoreFailure::kConnection)].Add();
    return false;
  }
  parts_.stats->operations.Add();
  return true;
}

void RedisStore::NoteFailure(StoreFailure failure, std::string_view why) {
  parts_.stats->failures[static_cast<int>(failure)].Add();
  if (parts_.health->NoteFailure(why, parts_.clock->MonotonicNow())) NoteSwitch(true);
}

void RedisStore::NoteSwitch(bool down) {
  (down ? parts_.stats->went_down : parts_.stats->came_back).Add();
  ShowMode();
}

void RedisStore::ShowMode() { parts_.stats->down.Set(in_use() ? 0 : 1); }

void RedisStore::OnReady() {
  if (parts_.health->NoteRecovery(parts_.clock->MonotonicNow())) NoteSwitch(false);
  ShowMode();
  StartRenewal();
}

void RedisStore::OnBroken(bool was_ready, bool with_commands, std::string_view why) {
  const base::Instant now = parts_.clock->MonotonicNow();
  bool switched = false;
  if (was_ready && with_commands) {
    switched = parts_.health->NoteLoss(why, now);
  } else if (!was_ready) {
    switched = parts_.health->NoteFailure(why, now);
  }
  if (switched) NoteSwitch(true);
  ShowMode();
}

void RedisStore::Hold(const Scopes& scopes, uint64_t id) {
  for (const RedisScope& scope : scopes) {
    if (scope.slots >= 0) held_[scope.slots_key].insert(id);
  }
}

void RedisStore::LetGo(const Scopes& scopes, uint64_t id) {
  for (const RedisScope& scope : scopes) {
    const auto found = held_.find(scope.slots_key);
    if (found == held_.end()) continue;
    found->second.erase(id);
    if (found->second.empty()) held_.erase(found);
  }
}

void RedisStore::StartRenewal() {
  renewing_.clear();
  renewed_up_to_ = 0;
  for (const auto& [key, ids] : held_) renewing_.push_back(key);
  Renew();
}

void RedisStore::Renew() {
  if (renewing_.empty()) {
    // A new round: the keys that there are now.
    for (const auto& [key, ids] : held_) renewing_.push_back(key);
    renewed_up_to_ = 0;
  }
  for (int calls = 0; calls < kRenewCallsMax && !renewing_.empty() && in_use(); ++calls) {
    const std::string& key = renewing_.back();
    const auto found = held_.find(key);
    std::vector<std::string> members;
    if (found != held_.end()) {
      auto id = found->second.upper_bound(renewed_up_to_);
      for (; id != found->second.end() && members.size() < kRenewedPerCallMax; ++id) {
        members.push_back(MemberOf(*id));
        renewed_up_to_ = *id;
      }
    }
    if (!members.empty()) {
      Send(std::make_unique<RenewCommand>(*this,
                                          RenewCall(key, members, options_.lease, ScriptNow())));
    }
    if (members.size() == kRenewedPerCallMax) continue;  // there may be more of this key
    renewing_.pop_back();
    renewed_up_to_ = 0;
  }
  if (!in_use()) renewing_.clear();  // all of them when it is back
  renew_timer_.Arm(renewing_.empty() ? options_.lease / 3 : kRenewPause);
}

void RedisStore::Look() {
  ShowMode();
  const base::Instant now = parts_.clock->MonotonicNow();
  if (connection_.ready() && parts_.health->ClaimProbe(now)) {
    Send(std::make_unique<ProbeCommand>(*this, ProbeCall(parts_.config->prefix)));
  }
  look_timer_.Arm(parts_.health->up() ? kLookUp : kLookDown);
}

}  // namespace pingti::quota
