#include "server/quota/redis_connection.h"

#include <arpa/inet.h>
#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "server/base/check.h"
#include "server/base/strings.h"

namespace pingti::quota {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kUnknownScript = "NOSCRIPT";
// What is cited of a peer's error.
constexpr size_t kWhyBytesMax = 200;
// A command is late by that at most.
constexpr absl::Duration kTimerStep = absl::Milliseconds(1);
constexpr absl::Duration kSilenceCheck = absl::Milliseconds(250);

// What a new connection does first.
struct Step {
  std::string_view name;
};
constexpr Step kAuth{"AUTH"};
constexpr Step kSelect{"SELECT"};
constexpr Step kLoad{"SCRIPT LOAD"};
constexpr Step kWrite{"write"};

bool IsNumeric(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

std::string_view ErrorText(const redisReply& reply) {
  return std::string_view(reply.str, std::min<size_t>(reply.len, kWhyBytesMax));
}

}  // namespace

RedisConnection::RedisConnection(base::EventLoop& loop, const base::Clock& clock,
                                 base::Random& random, const config::Redis& config,
                                 Observer& observer)
    : loop_(loop),
      clock_(clock),
      random_(random),
      config_(config),
      observer_(observer),
      resolver_(loop),
      connect_timer_(loop,
                     [this] {
                       if (state_ == State::kIdle) return Connect();
                       Drop("no connection in time");
                     }),
      deadline_timer_(loop, [this] { HandleDeadlines(); }) {
  const std::string_view address = config.address;
  if (!address.starts_with(kUnix)) {
    const size_t colon = address.rfind(':');
    PINGTI_CHECK(colon != std::string_view::npos, "the configuration checks addresses");
    std::string_view host = address.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    host_ = host;
    port_ = std::atoi(std::string(address.substr(colon + 1)).c_str());
  }
  connect_timer_.Arm(absl::ZeroDuration());
  // Until it is known that there is none, commands may wait for the connection.
  backoff_ = absl::ZeroDuration();
}

RedisConnection::~RedisConnection() {
  // The last settlements: what the kernel takes at once still goes out.
  if (ready() && context_ != nullptr) redisAsyncHandleWrite(context_);
  if (context_ == nullptr) return;
  context_->data = nullptr;
  redisAsyncFree(context_);
}

void RedisConnection::Connect() {
  if (host_.empty()) {
    state_ = State::kConnecting;
    return Attach(redisAsyncConnectUnix(config_.address.c_str() + kUnix.size()));
  }
  if (IsNumeric(host_)) return ConnectTo(host_);
  state_ = State::kResolving;
  resolver_.Start(host_, [this](const std::vector<std::string>& found, const std::string& problem) {
    if (found.empty()) return Broken(base::StrCat("cannot resolve ", host_, ": ", problem));
    ConnectTo(found[attempts_ % found.size()]);
  });
}

void RedisConnection::ConnectTo(const std::string& address) {
  state_ = State::kConnecting;
  Attach(redisAsyncConnect(address.c_str(), port_));
}

void RedisConnection::Attach(redisAsyncContext* context) {
  if (context == nullptr) return Broken("out of memory");
  if (context->err != 0) {
    const std::string why = context->errstr;
    redisAsyncFree(context);
    return Broken(why);
  }
  context_ = context;
  context->data = this;
  redisLibeventAttach(context, loop_.base());
  redisAsyncSetConnectCallback(context, &RedisConnection::OnConnect);
  redisAsyncSetDisconnectCallback(context, &RedisConnection::OnDisconnect);
  connect_timer_.Arm(kConnectMax);
  SendHandshake();
}

void RedisConnection::SendHandshake() {
  const auto send = [this](const Step& step, const std::string& text) {
    redisAsyncFormattedCommand(context_, &RedisConnection::OnHandshakeReply,
                               const_cast<Step*>(&step), text.data(), text.size());
  };
  if (!config_.password.empty()) {
    const std::string_view password = config_.password.Reveal();
    if (config_.username.empty()) {
      const std::string_view words[] = {"AUTH", password};
      send(kAuth, EncodeRedisCommand(words));
    } else {
      const std::string_view words[] = {"AUTH", config_.username, password};
      send(kAuth, EncodeRedisCommand(words));
    }
  }
  if (config_.database != 0) {
    const std::string database = base::StrCat(config_.database);
    const std::string_view words[] = {"SELECT", database};
    send(kSelect, EncodeRedisCommand(words));
  }
  // Calls that are sent together stay in order when none has to be sent again with its script.
  for (const RedisScript* script : RedisScripts()) {
    const std::string_view words[] = {"SCRIPT", "LOAD", script->source};
    send(kLoad, EncodeRedisCommand(words));
  }
  send(kWrite, ProbeCall(config_.prefix).Encode(true));
}

void RedisConnection::OnConnect(const redisAsyncContext* context, int status) {
  auto* self = static_cast<RedisConnection*>(context->data);
  if (self == nullptr || status == REDIS_OK) return;
  self->context_ = nullptr;  // hiredis frees it after this
  const_cast<redisAsyncContext*>(context)->data = nullptr;
  self->Broken(context->errstr);
}

void RedisConnection::OnDisconnect(const redisAsyncContext* context, int status) {
  auto* self = static_cast<RedisConnection*>(context->data);
  if (self == nullptr) return;
  self->context_ = nullptr;
  self->Broken(status == REDIS_OK ? "closed" : context->errstr);
}

void RedisConnection::OnHandshakeReply(redisAsyncContext* context, void* reply, void* step) {
  auto* self = static_cast<RedisConnection*>(context->data);
  if (self == nullptr || reply == nullptr) return;
  const auto& answer = *static_cast<const redisReply*>(reply);
  const auto* done = static_cast<const Step*>(step);
  // A user who may not load scripts may still send them whole.
  if (answer.type == REDIS_REPLY_ERROR && done != &kLoad) {
    return self->Drop(base::StrCat(done->name, ": ", ErrorText(answer)));
  }
  if (done == &kWrite) self->BecomeReady();
}

void RedisConnection::BecomeReady() {
  state_ = State::kReady;
  attempts_ = 0;
  backoff_ = absl::ZeroDuration();
  connect_timer_.Cancel();
  last_answer_ = clock_.MonotonicNow();
  for (const auto& command : commands_) Write(*command, command->resent_);
  observer_.OnReady();
}

bool RedisConnection::Send(std::unique_ptr<RedisCommand> command) {
  if (commands_.size() >= kCommandsInFlightMax) return false;
  // Idle without a backoff: it is about to connect.
  if (state_ == State::kIdle && backoff_ > absl::ZeroDuration()) return false;
  command->issued_ = clock_.MonotonicNow();
  command->deadline_ = command->issued_ + config_.timeout;
  if (state_ == State::kReady) Write(*command, false);
  commands_.push_back(std::move(command));
  ArmDeadline(commands_.back()->deadline_);
  return true;
}

void RedisConnection::ArmDeadline(base::Instant when) {
  if (when >= armed_for_) return;
  armed_for_ = when;
  deadline_timer_.Arm(std::max(when - clock_.MonotonicNow(), kTimerStep));
}

void RedisConnection::Write(const RedisCommand& command, bool whole) {
  const std::string text = command.call_.Encode(whole);
  redisAsyncFormattedCommand(context_, &RedisConnection::OnCommandReply, nullptr, text.data(),
                             text.size());
}

void RedisConnection::OnCommandReply(redisAsyncContext* context, void* reply, void* /*unused*/) {
  auto* self = static_cast<RedisConnection*>(context->data);
  if (self == nullptr || reply == nullptr) return;
  self->HandleReply(*static_cast<const redisReply*>(reply));
}

void RedisConnection::HandleReply(const redisReply& reply) {
  PINGTI_CHECK(!commands_.empty(), "hiredis answers what was asked");
  last_answer_ = clock_.MonotonicNow();
  std::unique_ptr<RedisCommand> command = std::move(commands_.front());
  commands_.pop_front();
  if (reply.type == REDIS_REPLY_ERROR && ErrorText(reply).starts_with(kUnknownScript) &&
      !command->resent_) {
    command->resent_ = true;
    Write(*command, true);
    commands_.push_back(std::move(command));
    return;
  }
  command->OnReply(reply);
}

void RedisConnection::HandleDeadlines() {
  armed_for_ = base::Instant::InfiniteFuture();
  const base::Instant now = clock_.MonotonicNow();
  std::vector<RedisCommand*> over;
  base::Instant next = now + kSilenceCheck;
  bool overdue = false;
  for (const auto& command : commands_) {
    overdue = overdue || command->late_;
    if (command->late_) continue;
    if (command->deadline_ > now) {
      next = std::min(next, command->deadline_);
      continue;
    }
    command->late_ = true;
    over.push_back(command.get());
  }
  // Only an answer from Redis or the end of the connection ends a command, and both come from the
  // loop: these stay until they have been told.
  for (RedisCommand* command : over) command->OnTimeout();
  if (overdue && state_ == State::kReady && !commands_.empty() &&
      now - std::max(last_answer_, commands_.front()->deadline_) > kSilenceMax) {
    return Drop("no answer");
  }
  if (!commands_.empty()) ArmDeadline(next);
}

void RedisConnection::Drop(std::string_view why) {
  const std::string reason(why);  // it may be hiredis's
  if (context_ != nullptr) {
    context_->data = nullptr;
    redisAsyncFree(std::exchange(context_, nullptr));
  }
  Broken(reason);
}

void RedisConnection::Broken(std::string_view why) {
  const std::string reason(why);
  const bool was_ready = state_ == State::kReady;
  state_ = State::kIdle;
  Commands lost = std::exchange(commands_, {});
  // One that was good is made again at once, unless something was on it: then the store is down.
  if (was_ready && lost.empty()) {
    backoff_ = absl::ZeroDuration();
  } else if (backoff_ == absl::ZeroDuration()) {
    backoff_ = kBackoffMin;
  } else {
    backoff_ = std::min(2 * backoff_, kBackoffMax);
  }
  ++attempts_;
  // Spread, so that replicas do not come all at once.
  connect_timer_.Arm(backoff_ * (0.75 + 0.5 * static_cast<double>(random_.Next() >> 11) * 0x1p-53));
  observer_.OnBroken(was_ready, !lost.empty(), reason);
  for (const auto& command : lost) command->OnLost();
}

}  // namespace pingti::quota
