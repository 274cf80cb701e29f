#include "bench/load/grpc_load.h"

#include <sys/prctl.h>
#include <time.h>

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/load/clock.h"
#include "bench/load/workload.h"

namespace pingti::bench {
namespace {

constexpr int64_t kConnectNs = 5 * kNanosPerSecond;
constexpr int64_t kGraceNs =
    200'000'000;  // calls are ended by their deadline this long after the drain
constexpr int64_t kPhaseCheckNs = 5'000'000;  // how late the end of a phase may be noticed

gpr_timespec After(int64_t ns) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(ns, GPR_TIMESPAN));
}

// The code's name as protocols write it; enough of them to read a result.
std::string ErrorName(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::CANCELLED:
      return "CANCELLED";
    case grpc::StatusCode::INVALID_ARGUMENT:
      return "INVALID_ARGUMENT";
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return "DEADLINE_EXCEEDED";
    case grpc::StatusCode::NOT_FOUND:
      return "NOT_FOUND";
    case grpc::StatusCode::PERMISSION_DENIED:
      return "PERMISSION_DENIED";
    case grpc::StatusCode::UNAUTHENTICATED:
      return "UNAUTHENTICATED";
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return "RESOURCE_EXHAUSTED";
    case grpc::StatusCode::INTERNAL:
      return "INTERNAL";
    case grpc::StatusCode::UNAVAILABLE:
      return "UNAVAILABLE";
    default:
      return absl::StrCat("grpc_", static_cast<int>(status.error_code()));
  }
}

void FillSpec(const Options& options, v1::CompletionSpec* spec) {
  spec->set_model(options.model);
  v1::Message* message = spec->add_messages();
  message->set_role(v1::ROLE_USER);
  message->add_parts()->set_text(MakePrompt(options));
}

}  // namespace

// One call; deletes itself when it ended. Exactly one operation is under way at any time, and the
// call is its tag.
class GrpcLoad::Call {
 public:
  Call(GrpcLoad& load, int64_t scheduled_ns) : load_(load) {
    record_.scheduled_ns = scheduled_ns;
    context_.set_deadline(load.deadline_);
    if (!load.authorizations_.empty()) {
      context_.AddMetadata("authorization", load.DrawAuthorization());
    }
  }
  virtual ~Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  virtual void Start(v1::Completion::Stub& stub) = 0;
  // The operation ended; true where the call did, too.
  virtual bool Handle(bool ok) = 0;

 protected:
  void End(std::string_view error) {
    if (load_.over_) {
      load_.measurement_->CallUnfinished(record_);
    } else {
      load_.measurement_->CallEnded(record_, error, load_.now_ns_);
    }
  }

  GrpcLoad& load_;
  grpc::ClientContext context_;
  grpc::Status status_;
  CallRecord record_;
};

class GrpcLoad::UnaryCall final : public Call {
 public:
  using Call::Call;

  void Start(v1::Completion::Stub& stub) override {
    reader_ = stub.PrepareAsyncGenerateCompletion(&context_, load_.unary_request_, &load_.queue_);
    reader_->StartCall();
    reader_->Finish(&response_, &status_, this);
  }

  bool Handle(bool) override {
    if (!status_.ok()) {
      End(ErrorName(status_));
    } else {
      End(response_.choices_size() > 0 && !response_.choices(0).text().empty() ? ""
                                                                               : "empty_answer");
    }
    return true;
  }

 private:
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::GenerateCompletionResponse>> reader_;
  v1::GenerateCompletionResponse response_;
};

class GrpcLoad::StreamCall final : public Call {
 public:
  using Call::Call;

  void Start(v1::Completion::Stub& stub) override {
    reader_ = stub.PrepareAsyncStreamCompletion(&context_, load_.stream_request_, &load_.queue_);
    reader_->StartCall(this);
  }

  bool Handle(bool ok) override {
    switch (step_) {
      case Step::kStart:
        break;
      case Step::kRead:
        if (ok) TakeMessage();
        break;
      case Step::kFinish:
        End(!status_.ok() ? ErrorName(status_) : finished_seen_ ? "" : "stream_cut");
        return true;
    }
    if (ok) {
      step_ = Step::kRead;
      reader_->Read(&response_, this);
    } else {
      step_ = Step::kFinish;
      reader_->Finish(&status_, this);
    }
    return false;
  }

 private:
  enum class Step { kStart, kRead, kFinish };

  void TakeMessage() {
    if (response_.has_finished()) finished_seen_ = true;
    if (response_.has_delta()) {
      load_.measurement_->TextArrived(record_, response_.delta().text(), load_.now_ns_);
    }
  }

  std::unique_ptr<grpc::ClientAsyncReader<v1::StreamCompletionResponse>> reader_;
  v1::StreamCompletionResponse response_;
  Step step_ = Step::kStart;
  bool finished_seen_ = false;
};

GrpcLoad::GrpcLoad(const Options& options) : options_(options) {
  FillSpec(options, unary_request_.mutable_spec());
  FillSpec(options, stream_request_.mutable_spec());
  if (!options.key.empty()) authorizations_.push_back(absl::StrCat("Bearer ", options.key));
  for (const std::string& key : options.keys) {
    authorizations_.push_back(absl::StrCat("Bearer ", key));
  }
}

GrpcLoad::~GrpcLoad() {
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

bool GrpcLoad::Connect(std::string* error) {
  const gpr_timespec deadline = After(kConnectNs);
  for (int i = 0; i < options_.connections; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL,
                     1);  // else the channels share a connection
    arguments.SetMaxReceiveMessageSize(-1);
    auto channel = grpc::CreateCustomChannel(options_.grpc_target,
                                             grpc::InsecureChannelCredentials(), arguments);
    if (!channel->WaitForConnected(deadline)) {
      *error = "cannot connect to " + options_.grpc_target;
      return false;
    }
    stubs_.push_back(v1::Completion::NewStub(channel));
  }
  return true;
}

std::string GrpcLoad::Run(std::string* error) {
  if (!Connect(error)) return "";
  started_ns_ = NowNs();
  measurement_ = std::make_unique<Measurement>(options_, started_ns_);
  deadline_ =
      After(SecondsToNs(options_.warmup_s + options_.window_s + options_.drain_s) + kGraceNs);
  std::thread schedule;
  if (options_.open_loop()) schedule = std::thread([this] { RunSchedule(); });
  HandleAnswers();
  if (schedule.joinable()) schedule.join();
  over_ = true;
  while (in_flight_.load() > 0) HandleAnswer(After(kGraceNs));  // their deadlines end them
  measurement_->CallNotSent(not_sent_.load());
  return measurement_->Json();
}

void GrpcLoad::HandleAnswers() {
  while (true) {
    now_ns_ = NowNs();
    const Measurement::Phase phase = measurement_->Advance(now_ns_);
    if (phase == Measurement::Phase::kOver) break;
    // In the drain the schedule's thread starts nothing any more, or at most the call that it was
    // about to.
    if (phase == Measurement::Phase::kDrain && in_flight_.load() == 0) break;
    if (!options_.open_loop()) StartClosedLoop(now_ns_);
    measurement_->SetInFlight(in_flight_.load());
    HandleAnswer(After(kPhaseCheckNs));
  }
}

void GrpcLoad::HandleAnswer(gpr_timespec deadline) {
  void* tag = nullptr;
  bool ok = false;
  if (queue_.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) return;
  now_ns_ = NowNs();
  std::unique_ptr<Call> call(static_cast<Call*>(tag));
  if (call->Handle(ok)) {
    in_flight_.fetch_sub(1);
  } else {
    static_cast<void>(call.release());  // the completion queue has it again
  }
}

void GrpcLoad::StartClosedLoop(int64_t now_ns) {
  if (now_ns >= measurement_->stop_ns()) return;
  while (started_calls_ < options_.in_flight) {
    const int64_t due_ns =
        started_ns_ + SecondsToNs(options_.ramp_s) * started_calls_ / options_.in_flight;
    if (now_ns < due_ns) break;
    ++started_calls_;
  }
  while (in_flight_.load() < started_calls_) Start(NewCall(NowNs()));
}

void GrpcLoad::RunSchedule() {
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL,
        0UL);  // wake at the scheduled time, not up to 50 us later
  const auto interval_ns = static_cast<int64_t>(kNanosPerSecond / options_.rate);
  for (int64_t due_ns = started_ns_; due_ns < measurement_->stop_ns(); due_ns += interval_ns) {
    // Made ahead of time, so that the scheduled moment has nothing to do but send.
    std::unique_ptr<Call> call = NewCall(due_ns);
    const timespec due = ToTimespec(due_ns);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, nullptr) != 0) {
    }
    if (in_flight_.load() < kCallsInFlightMax) {
      Start(std::move(call));
    } else {
      not_sent_.fetch_add(1);
    }
  }
}

std::unique_ptr<GrpcLoad::Call> GrpcLoad::NewCall(int64_t scheduled_ns) {
  if (options_.stream) return std::make_unique<StreamCall>(*this, scheduled_ns);
  return std::make_unique<UnaryCall>(*this, scheduled_ns);
}

const std::string& GrpcLoad::DrawAuthorization() {
  return authorizations_[random_() % authorizations_.size()];
}

void GrpcLoad::Start(std::unique_ptr<Call> call) {
  in_flight_.fetch_add(1);
  v1::Completion::Stub& stub = *stubs_[next_stub_];
  next_stub_ = (next_stub_ + 1) % stubs_.size();
  call.release()->Start(stub);
}

}  // namespace pingti::bench
