// The commands of a RedisStore on their way: who waits for each, and what its answer means.
//
// Only redis_store*.cc include this. A command belongs to the connection of its store; the waiter's
// reply and signal are touched once, before the command is late.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "server/quota/redis_store.h"

namespace pingti::quota {

class RedisStore::Command : public RedisCommand {
 public:
  Command(RedisStore& store, RedisCall call) : RedisCommand(std::move(call)), store_(store) {}

 protected:
  // What to do with an answer that is no error: false where it makes no sense.
  virtual bool Accept(const redisReply& reply) = 0;
  // There will be no answer, or none in time. At most once.
  virtual void GiveUp() {}
  // There was none at all.
  virtual void Forget() {}

  void OnReply(const redisReply& reply) final;
  void OnTimeout() final;
  void OnLost() final;

  // The caller's time, moved on to now.
  base::Instant Later(base::Instant then) const;

  RedisStore& store_;
};

class RedisStore::ReserveCommand final : public Command {
 public:
  ReserveCommand(RedisStore& store, RedisCall call, Scopes scopes, const Demand& demand,
                 uint64_t id, base::Instant now, ReserveReply* reply, base::Signal* signal);

 protected:
  bool Accept(const redisReply& reply) override;
  void GiveUp() override;

 private:
  const Scopes scopes_;
  const Demand demand_;
  const uint64_t id_;
  const base::Instant now_;
  ReserveReply* const reply_;
  base::Signal* const signal_;
};

class RedisStore::ReadCommand final : public Command {
 public:
  ReadCommand(RedisStore& store, RedisCall call, Scopes scopes, std::span<BucketSet* const> sets,
              base::Instant now, ReadReply* reply, base::Signal* signal);

 protected:
  bool Accept(const redisReply& reply) override;
  void GiveUp() override;

 private:
  const Scopes scopes_;
  std::array<BucketSet*, kScopesMax> sets_{};
  const base::Instant now_;
  ReadReply* const reply_;
  base::Signal* const signal_;
};

// A settlement or a correction.
class RedisStore::ChangeCommand final : public Command {
 public:
  using Command::Command;

 protected:
  bool Accept(const redisReply& reply) override;
  void Forget() override;
};

class RedisStore::RenewCommand final : public Command {
 public:
  using Command::Command;

 protected:
  bool Accept(const redisReply& reply) override;
};

// Asks whether a store that was down is there again.
class RedisStore::ProbeCommand final : public Command {
 public:
  using Command::Command;

 protected:
  bool Accept(const redisReply& reply) override;
};

}  // namespace pingti::quota
