#include "tests/integration/chaos_crowd.h"

#include <grpcpp/completion_queue.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <optional>
#include <random>
#include <utility>

#include "tests/integration/world.h"
#include "tests/upstream/clock.h"

namespace pingti::integration {
namespace {

using std::chrono::steady_clock;
using TimePoint = steady_clock::time_point;

// The loop looks at its timers so often.
constexpr Millis kTick(5);
constexpr int kConnections = 4;
// From a call that did not go well to the next one.
constexpr Millis kPauseAfterFailure(30);

// What is drawn for a call.
struct Plan {
  bool stream = false;
  bool slow = false;
  std::optional<Millis> cancel_after;
  Millis deadline = Millis(0);
  int64_t chunks = 1;
  int64_t chunk_bytes = 40;
  int64_t interval_ms = 0;
  int64_t first_token_ms = 0;
};

class Dice {
 public:
  explicit Dice(uint64_t seed) : bits_(seed) {}
  int64_t From(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(bits_() % static_cast<uint64_t>(high - low + 1));
  }
  bool Percent(int share) { return From(1, 100) <= share; }

 private:
  std::mt19937_64 bits_;
};

Plan Draw(Dice& dice, bool calm) {
  Plan plan;
  plan.first_token_ms = dice.From(0, calm ? 5 : 30);
  plan.deadline = Scaled(Millis(calm ? 10'000 : dice.From(300, 4'000)));
  plan.chunks = dice.From(2, 40);
  if (calm) return plan;
  plan.stream = dice.Percent(60);
  plan.slow = plan.stream && dice.Percent(20);
  plan.interval_ms = dice.From(0, 8);
  if (plan.slow) {
    plan.chunks = 100;
    plan.chunk_bytes = 4'000;
    plan.interval_ms = 0;
  }
  if (dice.Percent(15)) plan.cancel_after = Millis(dice.From(0, 150));
  return plan;
}

std::string PromptOf(const Plan& plan) {
  return "Talk. [sim:chunks=" + std::to_string(plan.chunks) +
         ",chunk_bytes=" + std::to_string(plan.chunk_bytes) +
         ",chunk_interval_ms=" + std::to_string(plan.interval_ms) +
         ",first_token_ms=" + std::to_string(plan.first_token_ms) + "]";
}

}  // namespace

// One caller; everything in it happens on the crowd's thread. At most one operation of its call is
// under way.
class ChaosCrowd::Caller {
 public:
  Caller(int number, const ChaosCrowdOptions& options, std::shared_ptr<grpc::Channel> channel,
         grpc::CompletionQueue* queue)
      : options_(options),
        name_(options.name + std::to_string(number)),
        dice_(options.seed * 1'000'003 + static_cast<uint64_t>(number)),
        queue_(queue),
        stub_(v1::Completion::NewStub(std::move(channel))) {}

  const ChaosCall& call() const { return call_; }

  void Call() {
    plan_ = Draw(dice_, options_.calm);
    call_ = ChaosCall();
    call_.id = name_ + "-" + std::to_string(++calls_);
    call_.stream = plan_.stream;
    call_.slow = plan_.slow;
    call_.deadline = plan_.deadline;
    call_.answer_bytes = plan_.chunks * plan_.chunk_bytes;
    stream_.reset();  // what they are made of belongs to the context
    unary_.reset();
    context_ = std::make_unique<grpc::ClientContext>();
    Prepare(context_.get(), options_.key, plan_.deadline);
    v1::CompletionSpec spec = Ask(PromptOf(plan_), options_.model);
    spec.set_user(call_.id);
    spec.set_request_id(call_.id);
    began_ = steady_clock::now();
    cancel_at_.reset();
    if (plan_.cancel_after) cancel_at_ = began_ + *plan_.cancel_after;
    if (plan_.stream) {
      state_ = State::kStarting;
      v1::StreamCompletionRequest request;
      *request.mutable_spec() = std::move(spec);
      stream_ = stub_->AsyncStreamCompletion(context_.get(), request, queue_, this);
    } else {
      state_ = State::kFinishing;
      v1::GenerateCompletionRequest request;
      *request.mutable_spec() = std::move(spec);
      response_.Clear();
      unary_ = stub_->AsyncGenerateCompletion(context_.get(), request, queue_);
      unary_->Finish(&response_, &status_, this);
    }
  }

  // Its operation has ended. True: the call has, too.
  bool OnEvent(bool ok) {
    if (state_ == State::kFinishing) {
      End();
      return true;
    }
    if (!ok) {
      state_ = State::kFinishing;
      stream_->Finish(&status_, this);
      return false;
    }
    if (state_ == State::kReading) Take();
    state_ = State::kReading;
    if (plan_.slow) {
      read_at_ = steady_clock::now() + Millis(dice_.From(0, 30));
    } else {
      stream_->Read(&event_, this);
    }
    return false;
  }

  // The next call begins after a pause.
  void Rest(TimePoint now) { call_at_ = now + kPauseAfterFailure; }
  // Whether the pause is over; once.
  bool TakeRested(TimePoint now) {
    if (!call_at_ || now < *call_at_) return false;
    call_at_.reset();
    return true;
  }

  void OnTick(TimePoint now) {
    if (cancel_at_ && now >= *cancel_at_) {
      cancel_at_.reset();
      call_.cancelled = true;
      context_->TryCancel();
    }
    if (read_at_ && now >= *read_at_) {
      read_at_.reset();
      stream_->Read(&event_, this);
    }
  }

 private:
  enum class State { kStarting, kReading, kFinishing };

  void Take() {
    if (call_.finished) ++call_.after_end;
    if (event_.has_started()) {
      ++call_.starts;
      call_.provider = event_.started().served_by().provider();
    }
    if (event_.has_delta()) {
      if (call_.first_content_ns == 0) call_.first_content_ns = upstream::MonotonicNs();
      call_.text += event_.delta().text();
    }
    if (event_.has_finished()) call_.finished = true;
  }

  void End() {
    cancel_at_.reset();
    call_.took = std::chrono::duration_cast<Millis>(steady_clock::now() - began_);
    call_.error = client::ErrorFromStatus(status_, client::RequestIdOf(*context_));
    if (plan_.stream || !status_.ok()) return;
    call_.finished = true;
    call_.starts = 1;
    call_.provider = response_.served_by().provider();
    for (const v1::Choice& choice : response_.choices()) call_.text += choice.text();
  }

  const ChaosCrowdOptions options_;
  const std::string name_;
  Dice dice_;
  grpc::CompletionQueue* const queue_;
  const std::unique_ptr<v1::Completion::Stub> stub_;
  int calls_ = 0;
  Plan plan_;
  ChaosCall call_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientAsyncReader<v1::StreamCompletionResponse>> stream_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::GenerateCompletionResponse>> unary_;
  v1::StreamCompletionResponse event_;
  v1::GenerateCompletionResponse response_;
  grpc::Status status_;
  State state_ = State::kFinishing;
  TimePoint began_;
  std::optional<TimePoint> cancel_at_, read_at_, call_at_;
};

ChaosCrowd::ChaosCrowd(const Server& server, const ChaosCrowdOptions& options)
    : queue_(std::make_unique<grpc::CompletionQueue>()) {
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < kConnections; ++i) channels.push_back(server.Channel());
  for (int i = 0; i < options.callers; ++i) {
    callers_.push_back(
        std::make_unique<Caller>(i, options, channels[i % kConnections], queue_.get()));
  }
}

ChaosCrowd::~ChaosCrowd() {
  if (!Stop()) std::abort();  // the calls would be told of their end after it
  queue_->Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) {
  }
}

void ChaosCrowd::Start() {
  thread_ = std::thread([this] { Run(); });
}

void ChaosCrowd::Run() {
  size_t left = callers_.size();
  for (const auto& caller : callers_) caller->Call();
  void* tag = nullptr;
  bool ok = false;
  TimePoint tick = steady_clock::now();
  while (left > 0) {
    const auto until = std::chrono::system_clock::now() + kTick;
    const auto next = queue_->AsyncNext(&tag, &ok, until);
    if (const TimePoint now = steady_clock::now(); now >= tick) {
      tick = now + kTick;
      const bool stopping = IsStopping();
      for (const auto& caller : callers_) {
        caller->OnTick(now);
        if (!caller->TakeRested(now)) continue;
        if (stopping) {
          --left;
        } else {
          caller->Call();
        }
      }
    }
    if (next != grpc::CompletionQueue::GOT_EVENT) continue;
    auto* caller = static_cast<Caller*>(tag);
    if (!caller->OnEvent(ok)) continue;
    const bool well = caller->call().error.ok();
    {
      const std::lock_guard<std::mutex> lock(mu_);
      calls_.push_back(caller->call());
      changed_.notify_all();
    }
    if (IsStopping()) {
      --left;
    } else if (!well) {
      caller->Rest(steady_clock::now());
    } else {
      caller->Call();
    }
  }
  const std::lock_guard<std::mutex> lock(mu_);
  all_ended_ = true;
  changed_.notify_all();
}

bool ChaosCrowd::IsStopping() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return stopping_;
}

void ChaosCrowd::WaitForCalls(size_t count, Millis timeout) {
  std::unique_lock<std::mutex> lock(mu_);
  changed_.wait_for(lock, timeout, [&] { return calls_.size() >= count; });
}

size_t ChaosCrowd::ended() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return calls_.size();
}

bool ChaosCrowd::Stop(Millis timeout) {
  if (!thread_.joinable()) return true;
  {
    std::unique_lock<std::mutex> lock(mu_);
    stopping_ = true;
    if (!changed_.wait_for(lock, timeout, [this] { return all_ended_; })) {
      std::cerr << "calls that do not end; " << calls_.size() << " have" << std::endl;
      return false;
    }
  }
  thread_.join();
  callers_.clear();  // and with them their connections
  return true;
}

}  // namespace pingti::integration
