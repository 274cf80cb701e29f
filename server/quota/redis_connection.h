// One connection to Redis on a worker's loop: commands go out at once, one behind the other, and
// each has a budget of time.
//
// It connects by itself, from the start and whenever the connection is lost (at once, then after 50
// ms to 1 s), logs in (AUTH, SELECT) and makes sure that it can write. Nothing in it waits on the
// loop: names are resolved by RedisResolver. It speaks to the one address of the configuration and
// follows no redirection (MOVED): before a Redis Cluster stands a proxy.
//
// Belongs to the loop thread; dies before its loop, after the loop has ended or in a function of
// its own on it (not inside a callback of a command).
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/base/event_loop.h"
#include "server/base/random.h"
#include "server/config/config.h"
#include "server/quota/redis_resolver.h"
#include "server/quota/redis_scripts.h"

struct redisAsyncContext;
struct redisReply;

namespace pingti::quota {

// Commands without an answer; further ones are refused.
inline constexpr size_t kCommandsInFlightMax = 4'096;
// A connection has to be made and logged in within this time.
inline constexpr absl::Duration kConnectMax = absl::Seconds(1);
// A connection on which an answer is overdue that long is given up.
inline constexpr absl::Duration kSilenceMax = absl::Seconds(2);
inline constexpr absl::Duration kBackoffMin = absl::Milliseconds(50);
inline constexpr absl::Duration kBackoffMax = absl::Seconds(1);

// A call of a script on its way. Its end is OnReply() or OnLost(), of which one comes, at most
// after one OnTimeout(). It is destroyed afterwards. An owner that goes away destroys it without
// either.
class RedisCommand {
 public:
  explicit RedisCommand(RedisCall call) : call_(std::move(call)) {}
  virtual ~RedisCommand() = default;
  RedisCommand(const RedisCommand&) = delete;
  RedisCommand& operator=(const RedisCommand&) = delete;

  // Whether OnTimeout() has been.
  bool late() const { return late_; }
  base::Instant issued() const { return issued_; }

 protected:
  // `reply` may be an error. It lives as long as the call.
  virtual void OnReply(const redisReply& reply) = 0;
  // The budget is over.
  virtual void OnTimeout() = 0;
  // The connection broke, and it is not known whether Redis has run the command.
  virtual void OnLost() = 0;

 private:
  friend class RedisConnection;
  RedisCall call_;
  base::Instant issued_;
  base::Instant deadline_;
  bool late_ = false;
  bool resent_ = false;
};

class RedisConnection {
 public:
  class Observer {
   public:
    virtual ~Observer() = default;
    // Logged in, and Redis takes writes.
    virtual void OnReady() = 0;
    // `with_commands`: it broke under commands; they are told after this. Else it could not be
    // made, or was idle.
    virtual void OnBroken(bool was_ready, bool with_commands, std::string_view why) = 0;
  };

  // `config` and `observer` outlive this. Starts to connect when the loop runs.
  RedisConnection(base::EventLoop& loop, const base::Clock& clock, base::Random& random,
                  const config::Redis& config, Observer& observer);
  ~RedisConnection();
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  bool ready() const { return state_ == State::kReady; }
  size_t in_flight() const { return commands_.size(); }

  // Sends it, or keeps it until the connection is there, which is being made. False: there is none,
  // or too much is on its way already; `command` is destroyed without a call.
  bool Send(std::unique_ptr<RedisCommand> command);

 private:
  enum class State { kIdle, kResolving, kConnecting, kReady };
  using Commands = std::list<std::unique_ptr<RedisCommand>>;

  static void OnConnect(const redisAsyncContext* context, int status);
  static void OnDisconnect(const redisAsyncContext* context, int status);
  static void OnHandshakeReply(redisAsyncContext* context, void* reply, void* step);
  static void OnCommandReply(redisAsyncContext* context, void* reply, void* unused);

  void Connect();
  void ConnectTo(const std::string& address);
  void Attach(redisAsyncContext* context);
  void SendHandshake();
  void Write(const RedisCommand& command, bool whole);
  void BecomeReady();
  void HandleReply(const redisReply& reply);
  // Looks at the budgets then, if not before.
  void ArmDeadline(base::Instant when);
  void HandleDeadlines();
  // Gives the connection up.
  void Drop(std::string_view why);
  // It is gone.
  void Broken(std::string_view why);

  base::EventLoop& loop_;
  const base::Clock& clock_;
  base::Random& random_;
  const config::Redis& config_;
  Observer& observer_;

  State state_ = State::kIdle;
  redisAsyncContext* context_ = nullptr;  // hiredis frees it
  RedisResolver resolver_;
  std::string host_;  // empty: a unix socket
  int port_ = 0;
  int attempts_ = 0;  // without success
  absl::Duration backoff_;
  Commands commands_;  // in the order in which they were sent, and are answered
  base::Instant last_answer_;
  base::Timer connect_timer_;   // to connect, or until it must be connected
  base::Timer deadline_timer_;  // armed while there are commands
  base::Instant armed_for_ = base::Instant::InfiniteFuture();
};

}  // namespace pingti::quota
