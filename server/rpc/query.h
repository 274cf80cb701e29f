// A method that QueryCall answers: from its request to its response, on the loop thread.
#pragma once

#include <optional>

#include <google/protobuf/message.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>
#include <grpcpp/support/byte_buffer.h>

#include "server/base/check.h"
#include "server/base/task.h"
#include "server/exchange/queries.h"
#include "server/exchange/view.h"
#include "server/exchange/worker.h"
#include "server/model/failure.h"
#include "server/rpc/service.h"
#include "server/telemetry/call_stats.h"
#include "server/tenancy/tenant_directory.h"

namespace pingti::rpc {

using QueryError = std::optional<model::CallError>;

// What a query is answered from. All of it outlives the answer.
struct QueryContext {
  exchange::Worker& worker;
  exchange::View& view;
  const tenancy::KeyOwner& owner;
  google::protobuf::Message* in;
  google::protobuf::Message* out;

  // REQUIRES: the query is not for administrators.
  tenancy::Identity who() const {
    PINGTI_CHECK(!owner.is_admin, "administrators' keys are refused before");
    return owner.identity();
  }
};

struct Query {
  // Where gRPC puts a call.
  struct Call {
    grpc::ServerContext* context;
    grpc::ByteBuffer* request;
    grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>* writer;
    grpc::ServerCompletionQueue* queue;
  };
  using Answer = base::Task<QueryError> (*)(QueryContext);

  telemetry::Method method;
  const google::protobuf::Message& request;
  const google::protobuf::Message& response;
  // Waits for a call: `tag` comes to its queue when there is one.
  void (*wait)(Services& services, const Call& call, void* tag);
  Answer answer;
  exchange::Permission permission{};  // who may ask
};

}  // namespace pingti::rpc
