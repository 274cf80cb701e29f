#include "server/rpc/unary_call.h"

#include <utility>

#include "server/base/check.h"
#include "server/rpc/arena.h"
#include "server/rpc/read_request.h"
#include "server/rpc/status.h"
#include "server/rpc/write_response.h"

namespace pingti::rpc {

UnaryCall::UnaryCall(const Listener& listener) : CompletionCall(listener) {
  listener_.services->completion.RequestGenerateCompletion(&context_, &request_, &writer_,
                                                           listener_.queue, listener_.queue,
                                                           accepted_tag().ForOperation());
}

std::optional<model::CallError> UnaryCall::ReadInput(exchange::CallInput* input) {
  google::protobuf::Arena arena;
  auto* request = NewIn<v1::GenerateCompletionRequest>(&arena);
  if (auto error = ParseRequest(&request_, request)) return error;
  return ReadSpec(request->mutable_spec(), &input->request);
}

void UnaryCall::SendStarted(std::string_view, std::string_view, const exchange::ServedBy&) {
  PINGTI_CHECK(false, "a unary call has no stream");
}

void UnaryCall::SendDelta(model::ContentDelta) {
  PINGTI_CHECK(false, "a unary call has no stream");
}

void UnaryCall::FinishStream(exchange::Completed, std::vector<model::ChoiceEnd>) {
  PINGTI_CHECK(false, "a unary call has no stream");
}

void UnaryCall::FinishAnswer(exchange::Completed completed, model::Answer answer) {
  google::protobuf::Arena arena;
  auto* response = NewIn<v1::GenerateCompletionResponse>(&arena);
  WriteAnswer(completed, std::move(answer), response);
  grpc::ByteBuffer bytes;
  Serialize(*response, &bytes);
  writer_.Finish(bytes, grpc::Status::OK, finished_tag().ForOperation());
}

void UnaryCall::Fail(const model::CallError& error, std::string_view request_id) {
  writer_.FinishWithError(ToStatus(error, request_id), finished_tag().ForOperation());
}

}  // namespace pingti::rpc
