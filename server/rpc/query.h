// A method that QueryCall answers: from its request to its response, on the loop thread.
#pragma once

#include <optional>

#include <google/protobuf/message.h>

#include "server/base/check.h"
#include "server/base/task.h"
#include "server/exchange/queries.h"
#include "server/exchange/view.h"
#include "server/exchange/worker.h"
#include "server/model/failure.h"
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
  telemetry::Method method;
  const google::protobuf::Message& request;
  const google::protobuf::Message& response;
  base::Task<QueryError> (*answer)(QueryContext);
  exchange::Permission permission{};  // who may ask
};

}  // namespace pingti::rpc
