#include "server/quota/redis_store_commands.h"

#include <hiredis/hiredis.h>

#include <algorithm>

namespace pingti::quota {
namespace {

using telemetry::StoreFailure;

constexpr size_t kWhyBytesMax = 200;

bool IsNumber(const redisReply& reply) { return reply.type == REDIS_REPLY_INTEGER; }

}  // namespace

void RedisStore::Command::OnReply(const redisReply& reply) {
  const absl::Duration took = store_.parts_.clock->MonotonicNow() - issued();
  store_.parts_.stats->latency.Observe(absl::ToDoubleSeconds(took));
  const bool error = reply.type == REDIS_REPLY_ERROR;
  if (!error && !late()) store_.parts_.health->NoteSuccess();
  if (!error && Accept(reply)) return;
  const std::string_view why =
      error ? std::string_view(reply.str, std::min<size_t>(reply.len, kWhyBytesMax))
            : "an answer that makes no sense";
  store_.NoteFailure(StoreFailure::kReply, why);
  Forget();
  if (!late()) GiveUp();
}

void RedisStore::Command::OnTimeout() {
  store_.NoteFailure(StoreFailure::kTimeout, "no answer in time");
  GiveUp();
}

void RedisStore::Command::OnLost() {
  // The connection has told the health of the store.
  store_.parts_.stats->failures[static_cast<int>(StoreFailure::kConnection)].Add();
  Forget();
  if (!late()) GiveUp();
}

base::Instant RedisStore::Command::Later(base::Instant then) const {
  return then + (store_.parts_.clock->MonotonicNow() - issued());
}

RedisStore::ReserveCommand::ReserveCommand(RedisStore& store, RedisCall call, Scopes scopes,
                                           const Demand& demand, uint64_t id, base::Instant now,
                                           ReserveReply* reply, base::Signal* signal)
    : Command(store, std::move(call)),
      scopes_(std::move(scopes)),
      demand_(demand),
      id_(id),
      now_(now),
      reply_(reply),
      signal_(signal) {}

bool RedisStore::ReserveCommand::Accept(const redisReply& reply) {
  const std::optional<RedisReserved> answer = ReadReserved(reply, scopes_);
  if (!answer) return false;
  if (late()) {
    // Nobody is there for it any more: the caller has been answered without the store.
    if (!answer->granted) return true;
    store_.SendChange(scopes_,
                      RedisChange{.tokens = -demand_.tokens,
                                  .requests = -1,
                                  .free_slot = true,
                                  .shadow_by_scope = answer->shadow_by_scope},
                      id_);
    return true;
  }
  reply_->granted_by = GrantedBy::kStore;
  reply_->first_scope = answer->first_scope;
  reply_->shadow_by_scope = answer->shadow_by_scope;
  reply_->shadow_refusals = 0;
  for (const uint8_t bits : answer->shadow_by_scope) reply_->shadow_refusals |= bits;
  if (answer->granted) {
    store_.Hold(scopes_, id_);
    reply_->id = id_;
    reply_->refusal.reset();
    reply_->state = ReserveReply::State::kGranted;
  } else {
    const bool tokens = CountsTokens(answer->dimension);
    reply_->refusal = Refusal{.scope = demand_.scopes[answer->scope],
                              .dimension = answer->dimension,
                              .state = answer->state,
                              .requested = tokens ? demand_.tokens : 1,
                              .wait = answer->wait,
                              .store_down = false};
    reply_->state = ReserveReply::State::kRefused;
  }
  signal_->Notify();
  return true;
}

void RedisStore::ReserveCommand::GiveUp() {
  store_.DecideWithoutStore(demand_, Later(now_), reply_);
  signal_->Notify();
}

RedisStore::ReadCommand::ReadCommand(RedisStore& store, RedisCall call, Scopes scopes,
                                     std::span<BucketSet* const> sets, base::Instant now,
                                     ReadReply* reply, base::Signal* signal)
    : Command(store, std::move(call)),
      scopes_(std::move(scopes)),
      now_(now),
      reply_(reply),
      signal_(signal) {
  std::copy(sets.begin(), sets.end(), sets_.begin());
}

bool RedisStore::ReadCommand::Accept(const redisReply& reply) {
  std::array<ScopeStates, kScopesMax> states;
  if (!ReadStates(reply, scopes_, states)) return false;
  if (late()) return true;
  reply_->states = states;
  reply_->store_down = false;
  reply_->ready = true;
  signal_->Notify();
  return true;
}

void RedisStore::ReadCommand::GiveUp() {
  store_.ReadWithoutStore({sets_.data(), scopes_.size()}, Later(now_), reply_);
  signal_->Notify();
}

bool RedisStore::ChangeCommand::Accept(const redisReply& reply) { return IsNumber(reply); }

void RedisStore::ChangeCommand::Forget() { store_.parts_.stats->lost_changes.Add(); }

bool RedisStore::RenewCommand::Accept(const redisReply& reply) { return IsNumber(reply); }

bool RedisStore::ProbeCommand::Accept(const redisReply& reply) {
  if (!IsNumber(reply)) return false;
  if (late()) return true;
  const base::Instant now = store_.parts_.clock->MonotonicNow();
  if (store_.parts_.health->NoteRecovery(now)) {
    store_.NoteSwitch(false);
    store_.StartRenewal();
  }
  return true;
}

}  // namespace pingti::quota
