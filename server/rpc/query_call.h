// A call of a method that only looks (CountTokens, GetQuota, ListModels), manages accounts, or is
// not served yet (CreateEmbedding): answered on the loop thread. One class for all: a method is a
// row of kQueries in query_call.cc.
//
// It lives until its answer is there, also where its caller has gone meanwhile: gRPC says so only
// when the answer is sent. So whoever answers late finds it.
#pragma once

#include <atomic>
#include <string>

#include <google/protobuf/message.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>
#include <grpcpp/support/byte_buffer.h>

#include "server/model/failure.h"
#include "server/rpc/completion_call.h"

namespace pingti::rpc {

inline constexpr int kQueryCount = 22;

class QueryCall {
 public:
  // Waits for one call of query number `query`; it makes its successor itself. Destroys itself.
  static void Wait(const Listener& listener, int query) { new QueryCall(listener, query); }

 private:
  QueryCall(const Listener& listener, int query);

  void OnAccepted(bool ok);
  void OnFinished(bool ok);
  void Answer();
  base::Task<void> Run();
  void Finish(const google::protobuf::Message& response);
  void Release();

  const Listener listener_;
  const int query_;
  LiveCalls::Token live_;  // from the acceptance on
  grpc::ServerContext context_;
  grpc::ByteBuffer request_;
  grpc::ServerAsyncResponseWriter<grpc::ByteBuffer> writer_{&context_};
  std::atomic<int> parties_{2};  // Answer(), finished tag
  MemberTag<QueryCall, &QueryCall::OnAccepted> accepted_tag_{this};
  MemberTag<QueryCall, &QueryCall::OnFinished> finished_tag_{this};
  MemberTask<QueryCall, &QueryCall::Answer> answer_task_{this};
};

}  // namespace pingti::rpc
