// A caller's request on any bytes, from protobuf to what a provider would be sent: however it is
// cut into slices it means the same, a refusal is a short valid status, and what is taken becomes
// JSON and an estimate within bounds.
//
// Input: two bytes that say where to cut, one that picks the method, then the request.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include "google/rpc/status.pb.h"
#include "pingti/v1/completion_service.pb.h"
#include "server/admission/validate.h"
#include "server/base/check.h"
#include "server/base/strings.h"
#include "server/base/text.h"
#include "server/model/json_check.h"
#include "server/providers/openai/dialect.h"
#include "server/quota/estimator.h"
#include "server/rpc/find_invalid_utf8.h"
#include "server/rpc/read_request.h"
#include "server/rpc/status.h"

namespace pingti::rpc {
namespace {

constexpr size_t kHeadBytes = 3;
// gRPC's clients refuse metadata of more than 8 KiB, in which the details are base64.
constexpr size_t kDetailsBytesMax = 6'000;
constexpr size_t kViolationsMax = 10;
constexpr int64_t kContextTokens = 100'000;

grpc::ByteBuffer Slices(std::string_view bytes, size_t cut) {
  const grpc::Slice slices[] = {grpc::Slice(bytes.data(), cut),
                                grpc::Slice(bytes.data() + cut, bytes.size() - cut)};
  return {slices, 2};
}

std::string CheckError(const model::CallError& error) {
  PINGTI_CHECK(!error.message.empty(), "a refusal says why");
  PINGTI_CHECK(error.fields.size() <= kViolationsMax, "it names a few fields");
  const grpc::Status status = ToStatus(error, "id");
  PINGTI_CHECK(!status.ok() && base::IsValidUtf8(status.error_message()), "its text is UTF-8");
  PINGTI_CHECK(status.error_details().size() <= kDetailsBytesMax, "it fits into metadata");
  google::rpc::Status details;
  PINGTI_CHECK(details.ParseFromString(status.error_details()), "its details can be read");
  return base::StrCat(status.error_message(), status.error_details());
}

// What of the request reaches a provider.
std::string CheckTaken(const model::CompletionRequest& request, bool stream) {
  config::Model model;
  model.name = "model";
  model.context_tokens = kContextTokens;
  model.vision = model.tools = true;
  quota::EstimateContext context;
  context.context_tokens = kContextTokens;
  const quota::Estimate estimate = quota::EstimateRequest(request, context);
  PINGTI_CHECK(estimate.input_tokens >= 1, "a request has a prompt");
  PINGTI_CHECK(estimate.output_tokens >= 1, "and an answer");
  PINGTI_CHECK(estimate.reserved_tokens == estimate.input_tokens + estimate.output_tokens,
               "both are reserved");
  if (const auto error = admission::ValidateForModel(request, model, estimate.input_tokens)) {
    return CheckError(*error);
  }
  providers::TargetTraits traits;
  traits.upstream_model = "upstream";
  const std::string body =
      providers::openai::NewOpenAiDialect()->Encode(request, traits, stream).body;
  PINGTI_CHECK(!model::JsonProblem(body), "what is sent is JSON");
  return body;
}

template <typename Request>
std::string Read(std::string_view bytes, size_t cut, bool stream) {
  grpc::ByteBuffer buffer = Slices(bytes, cut);
  const grpc::ByteBuffer copy = buffer;
  Request proto;
  if (const auto error = ParseRequest(&buffer, &proto)) return CheckError(*error);
  PINGTI_CHECK(!FindInvalidUtf8(copy, *Request::descriptor()), "protobuf and we agree on UTF-8");
  model::CompletionRequest request;
  if (const auto error = ReadSpec(proto.mutable_spec(), &request)) return CheckError(*error);
  if (const auto error = admission::ValidateRequest(request, config::Limits())) {
    return CheckError(*error);
  }
  return CheckTaken(request, stream);
}

void Run(std::string_view input) {
  if (input.size() < kHeadBytes) return;
  const auto byte = [input](size_t at) { return static_cast<unsigned char>(input[at]); };
  const std::string_view bytes = input.substr(kHeadBytes);
  const size_t cut = ((byte(0) << 8) | byte(1)) % (bytes.size() + 1);
  const bool stream = (byte(2) & 1) != 0;
  const auto read =
      stream ? Read<v1::StreamCompletionRequest> : Read<v1::GenerateCompletionRequest>;
  PINGTI_CHECK(read(bytes, cut, stream) == read(bytes, 0, stream), "a cut changes nothing");
}

}  // namespace
}  // namespace pingti::rpc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pingti::rpc::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
