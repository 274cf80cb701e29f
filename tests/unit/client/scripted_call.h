// One call of a test server on gRPC's asynchronous generic API: reads the request, sends the
// messages that it is told to, and then a status, or hangs until the client cancels.
//
// Thread-safety: a call lives on the thread that drains the completion queue; the Host's functions
// may be called from any.
// Ownership: deletes itself when the call is over; each call that arrives makes the next one.
#pragma once

#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/async_generic_service.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace pingti::testing {

// What a call answers, whatever its method.
struct Reply {
  std::vector<grpc::ByteBuffer> messages;
  grpc::Status status;
  bool hang = false;
};

class ScriptedCall {
 public:
  struct Host {
    grpc::AsyncGenericService service;
    grpc::ServerCompletionQueue* queue = nullptr;
    std::function<Reply(const grpc::GenericServerContext&, const grpc::ByteBuffer&)> answer;
    std::function<void()> on_hang;       // All is sent, and now it hangs.
    std::function<void()> on_cancelled;  // The client has cancelled a call that hung.

    std::mutex mu;
    std::condition_variable changed;
    bool stopping = false;  // Guarded by mu.
    int calls = 0;          // Guarded by mu; those that exist.

    // Waits for the next call, unless the server stops.
    void Accept() {
      const std::lock_guard<std::mutex> lock(mu);
      if (!stopping) new ScriptedCall(*this);
    }
    // No call is waited for any more. Before the server is shut down.
    void Stop() {
      const std::lock_guard<std::mutex> lock(mu);
      stopping = true;
    }
    // Between the shutdown of the server, which ends all calls, and that of the queue, which none
    // of them may use any more.
    void WaitForCalls() {
      std::unique_lock<std::mutex> lock(mu);
      changed.wait(lock, [this] { return calls == 0; });
    }
  };
  struct Tag {
    ScriptedCall* call;
    bool over;  // The call has ended, in whatever way; else: its next step.
  };

  void OnTag(const Tag& tag, bool ok) {
    if (tag.over) {
      over_ = true;
      if (state_ == State::kHanging) EndHanging();
    } else {
      OnStep(ok);
    }
    if (state_ == State::kFinished && over_) End();
  }

 private:
  enum class State { kWaiting, kReading, kWriting, kHanging, kFinishing, kFinished };

  // REQUIRES: host.mu is held.
  explicit ScriptedCall(Host& host) : host_(host) {
    ++host.calls;
    context_.AsyncNotifyWhenDone(&over_tag_);
    host.service.RequestCall(&context_, &stream_, host.queue, host.queue, &step_tag_);
  }

  void End() {
    Host& host = host_;
    delete this;
    const std::lock_guard<std::mutex> lock(host.mu);
    --host.calls;
    host.changed.notify_all();
  }

  void OnStep(bool ok) {
    if (state_ == State::kWaiting) {
      if (ok) {
        host_.Accept();
        state_ = State::kReading;
        stream_.Read(&request_, &step_tag_);
      } else {  // The server shuts down: no call came, so its end will not come either.
        over_ = true;
        state_ = State::kFinished;
      }
    } else if (state_ == State::kFinishing) {
      state_ = State::kFinished;
    } else if (!ok) {
      Finish(grpc::Status::CANCELLED);
    } else {
      if (state_ == State::kReading) {
        reply_ = host_.answer(context_, request_);
        context_.AddInitialMetadata("x-request-id", "from-header");
      }
      Continue();
    }
  }

  void Continue() {
    if (next_ < reply_.messages.size()) {
      state_ = State::kWriting;
      stream_.Write(reply_.messages[next_++], &step_tag_);
    } else if (reply_.hang) {
      state_ = State::kHanging;
      if (host_.on_hang) host_.on_hang();
      if (over_) EndHanging();
    } else {
      Finish(reply_.status);
    }
  }

  void EndHanging() {
    host_.on_cancelled();
    Finish(grpc::Status::CANCELLED);
  }

  void Finish(const grpc::Status& status) {
    state_ = State::kFinishing;
    stream_.Finish(status, &step_tag_);
  }

  Host& host_;
  Tag step_tag_{this, false};
  Tag over_tag_{this, true};
  State state_ = State::kWaiting;
  bool over_ = false;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_{&context_};
  grpc::ByteBuffer request_;
  Reply reply_;
  std::size_t next_ = 0;
};

}  // namespace pingti::testing
