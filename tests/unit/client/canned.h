// Statuses and events of a server, for tests.
#pragma once

#include <grpcpp/support/status.h>

#include <string>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "pingti/v1/completion_service.pb.h"

namespace pingti::testing {

inline grpc::Status StatusWith(grpc::StatusCode code, const std::string& message,
                               const std::vector<const google::protobuf::Message*>& details) {
  google::rpc::Status rich;
  rich.set_code(code);
  rich.set_message(message);
  for (const auto* detail : details) (void)rich.add_details()->PackFrom(*detail);
  return grpc::Status(code, message, rich.SerializeAsString());
}

inline google::rpc::ErrorInfo ErrorInfoWith(const std::string& reason,
                                            const std::string& request_id) {
  google::rpc::ErrorInfo info;
  info.set_domain("pingti");
  info.set_reason(reason);
  (*info.mutable_metadata())["request_id"] = request_id;
  return info;
}

inline v1::StreamCompletionResponse Started(const std::string& request_id) {
  v1::StreamCompletionResponse event;
  event.mutable_started()->set_request_id(request_id);
  return event;
}

inline v1::StreamCompletionResponse TextDelta(const std::string& text) {
  v1::StreamCompletionResponse event;
  event.mutable_delta()->set_text(text);
  return event;
}

inline v1::StreamCompletionResponse Finished(v1::FinishReason reason) {
  v1::StreamCompletionResponse event;
  v1::StreamFinished& finished = *event.mutable_finished();
  finished.add_choices()->set_finish_reason(reason);
  finished.mutable_usage()->set_input_tokens(12);
  finished.mutable_usage()->set_output_tokens(34);
  finished.mutable_served_by()->set_provider("yi");
  finished.mutable_served_by()->set_upstream_model("yi-large");
  finished.mutable_timings()->mutable_total()->set_seconds(2);
  finished.mutable_timings()->mutable_first_token()->set_nanos(300'000'000);
  return event;
}

// What a streaming call does: the events, then the status, or (hang) nothing until it is cancelled.
struct StreamScript {
  std::vector<v1::StreamCompletionResponse> events;
  grpc::Status status;
  bool hang = false;
};

}  // namespace pingti::testing
