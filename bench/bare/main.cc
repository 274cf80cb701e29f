// bare-grpc: the least that a gRPC server can cost. It answers pingti.v1.Completion/
// GenerateCompletion with the same bytes each time, all of them or none refused, and does nothing
// else: no policy, no provider, the request is not parsed.
//
// As Pingti uses gRPC: the asynchronous API, messages as bytes, one thread for each completion
// queue, no health service of gRPC's own. A refusal has the headers and the details of Pingti's.

#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "pingti/v1/completion_service.grpc.pb.h"
#include "server/model/failure.h"
#include "server/rpc/status.h"

namespace pingti::bench {
namespace {

using BareService = v1::Completion::WithRawMethod_GenerateCompletion<v1::Completion::Service>;

constexpr int kAcceptsPerQueue = 32;
constexpr char kRequestId[] = "req_01jdzq3v8w6k2m4n5p7r9s0t1x";

// What each call is answered with.
struct Reply {
  std::vector<std::pair<std::string, std::string>> headers;
  grpc::Status status;
  grpc::ByteBuffer message;  // where the status is OK
};

Reply MakeAnswer() {
  v1::GenerateCompletionResponse response;
  response.add_choices()->set_text("The same answer each time: there is no model behind it.");
  const grpc::Slice bytes(response.SerializeAsString());
  Reply reply;
  reply.message = grpc::ByteBuffer(&bytes, 1);
  return reply;
}

// Of a tenant with a request per day, in the words of exchange::QuotaError.
Reply MakeRefusal() {
  const std::string subject = "tenant:refused/class:gpt-4o";
  const std::string description = "requests_per_day: limit 1, left 0, requested 1";
  model::CallError error;
  error.reason = model::ErrorReason::kQuotaExceeded;
  error.message = "quota exceeded: " + description;
  error.metadata = {{"bucket", subject + "/requests_per_day"},
                    {"limit", "1"},
                    {"requested", "1"},
                    {"remaining", "0"},
                    {"reset_ms", "86390123"}};
  error.retry_delay = absl::Milliseconds(86'390'123);
  error.quotas.push_back({subject, description});
  Reply reply;
  reply.headers = {{"x-request-id", kRequestId},
                   {"x-ratelimit-limit-requests", "1"},
                   {"x-ratelimit-remaining-requests", "0"},
                   {"x-ratelimit-reset-requests", "23h59m50.123s"},
                   {"x-ratelimit-limit-tokens", "10000000000"},
                   {"x-ratelimit-remaining-tokens", "10000000000"},
                   {"x-ratelimit-reset-tokens", "0s"}};
  reply.status = rpc::ToStatus(error, kRequestId);
  return reply;
}

// One call; makes its successor when it is accepted and deletes itself when it is answered.
class BareCall {
 public:
  static void Wait(BareService& service, grpc::ServerCompletionQueue& queue, const Reply& reply) {
    new BareCall(service, queue, reply);
  }

  // The operation that was under way ended.
  void Handle(bool ok) {
    if (answered_ || !ok) {
      delete this;
      return;
    }
    answered_ = true;
    Wait(service_, queue_, reply_);
    for (const auto& [name, value] : reply_.headers) context_.AddInitialMetadata(name, value);
    if (reply_.status.ok()) {
      writer_.Finish(reply_.message, reply_.status, this);
    } else {
      writer_.FinishWithError(reply_.status, this);
    }
  }

 private:
  BareCall(BareService& service, grpc::ServerCompletionQueue& queue, const Reply& reply)
      : service_(service), queue_(queue), reply_(reply) {
    service.RequestGenerateCompletion(&context_, &request_, &writer_, &queue, &queue, this);
  }

  BareService& service_;
  grpc::ServerCompletionQueue& queue_;
  const Reply& reply_;
  grpc::ServerContext context_;
  grpc::ByteBuffer request_;
  grpc::ServerAsyncResponseWriter<grpc::ByteBuffer> writer_{&context_};
  bool answered_ = false;
};

void Serve(grpc::ServerCompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  while (queue.Next(&tag, &ok)) static_cast<BareCall*>(tag)->Handle(ok);
}

int Run(const std::string& address, int queue_count, const Reply& reply) {
  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stops, nullptr);  // the threads inherit it
  grpc::EnableDefaultHealthCheckService(false);
  BareService service;
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
  for (int i = 0; i < queue_count; ++i) queues.push_back(builder.AddCompletionQueue());
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server) {
    std::fprintf(stderr, "bare-grpc: cannot listen on %s\n", address.c_str());
    return 1;
  }
  std::vector<std::thread> threads;
  for (const auto& queue : queues) {
    for (int i = 0; i < kAcceptsPerQueue; ++i) BareCall::Wait(service, *queue, reply);
    threads.emplace_back([&queue] { Serve(*queue); });
  }
  int signal = 0;
  sigwait(&stops, &signal);
  server->Shutdown();
  for (const auto& queue : queues) queue->Shutdown();
  for (std::thread& thread : threads) thread.join();
  return 0;
}

}  // namespace
}  // namespace pingti::bench

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // as Pingti
  std::string address = "127.0.0.1:50051";
  int queues = 1;
  bool refuse = false;
  CLI::App app("bare-grpc: answers each GenerateCompletion with the same bytes, and nothing else.");
  app.add_option("--grpc", address, "host:port to listen on")->capture_default_str();
  app.add_option("--queues", queues, "completion queues, each with a thread")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_flag("--refuse", refuse, "RESOURCE_EXHAUSTED with details instead of an answer");
  CLI11_PARSE(app, argc, argv);
  const pingti::bench::Reply reply =
      refuse ? pingti::bench::MakeRefusal() : pingti::bench::MakeAnswer();
  return pingti::bench::Run(address, queues, reply);
}
