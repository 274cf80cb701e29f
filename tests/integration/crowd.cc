#include "tests/integration/crowd.h"

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <algorithm>
#include <utility>

namespace pingti::integration {

using std::chrono::steady_clock;

// One caller; everything in it happens on the crowd's thread.
class Crowd::Caller {
 public:
  Caller(CallerOptions options, grpc::CompletionQueue* queue)
      : options_(std::move(options)),
        queue_(queue),
        stub_(v1::Completion::NewStub(options_.channel)) {
    *request_.mutable_spec() = options_.spec;
  }

  const CallerOptions& options() const { return options_; }
  // Whether the event that comes next is the end of its call; else of its pause.
  bool calling() const { return calling_; }

  void Call() {
    calling_ = true;
    context_ = std::make_unique<grpc::ClientContext>();
    Prepare(context_.get(), options_.key);
    response_.Clear();
    began_ = steady_clock::now();
    reader_ = stub_->AsyncGenerateCompletion(context_.get(), request_, queue_);
    reader_->Finish(&response_, &status_, this);
  }

  CallResult EndCall() {
    calling_ = false;
    CallResult result;
    result.replica = options_.replica;
    result.tenant = options_.tenant;
    result.began = began_;
    result.ended = steady_clock::now();
    result.error = client::ErrorFromStatus(status_, client::RequestIdOf(*context_));
    const auto& queued = response_.timings().queued();
    result.queued =
        std::chrono::seconds(queued.seconds()) + std::chrono::nanoseconds(queued.nanos());
    return result;
  }

  void Pause() { alarm_.Set(queue_, std::chrono::system_clock::now() + options_.pause, this); }

 private:
  const CallerOptions options_;
  grpc::CompletionQueue* const queue_;
  const std::unique_ptr<v1::Completion::Stub> stub_;
  v1::GenerateCompletionRequest request_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::GenerateCompletionResponse>> reader_;
  v1::GenerateCompletionResponse response_;
  grpc::Status status_;
  grpc::Alarm alarm_;
  TimePoint began_;
  bool calling_ = false;
};

Crowd::Crowd() : queue_(std::make_unique<grpc::CompletionQueue>()) {}

Crowd::~Crowd() {
  Stop();
  queue_->Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) {
  }
}

void Crowd::Add(CallerOptions options) {
  callers_.push_back(std::make_unique<Caller>(std::move(options), queue_.get()));
}

void Crowd::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Crowd::Run() {
  size_t left = callers_.size();
  for (const auto& caller : callers_) caller->Call();
  void* tag = nullptr;
  bool ok = false;
  while (left > 0 && queue_->Next(&tag, &ok)) {
    auto* caller = static_cast<Caller*>(tag);
    const bool answered = caller->calling();
    bool refused = false;
    bool stopping = false;
    {
      const std::lock_guard<std::mutex> lock(mu_);
      stopping = stopping_;
      if (answered) {
        results_.push_back(caller->EndCall());
        refused = !results_.back().ok();
      }
    }
    if (stopping || (refused && caller->options().until_refused)) {
      --left;
    } else if (answered && caller->options().pause > Millis(0)) {
      caller->Pause();
    } else {
      caller->Call();
    }
  }
  const std::lock_guard<std::mutex> lock(mu_);
  all_ended_ = true;
  changed_.notify_all();
}

bool Crowd::WaitUntilAllEnded(Millis timeout) {
  std::unique_lock<std::mutex> lock(mu_);
  const auto deadline = steady_clock::now() + timeout;
  return changed_.wait_until(lock, deadline, [this] { return all_ended_; });
}

void Crowd::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
  callers_.clear();  // and with them their connections
}

int Crowd::Count(const Test& test) const {
  const std::lock_guard<std::mutex> lock(mu_);
  return static_cast<int>(std::count_if(results_.begin(), results_.end(), test));
}

std::vector<CallResult> Crowd::Results() const {
  const std::lock_guard<std::mutex> lock(mu_);
  return results_;
}

}  // namespace pingti::integration
