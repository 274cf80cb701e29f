#include "tests/integration/slow_reader.h"

#include <utility>

namespace pingti::integration {

SlowReader::SlowReader(const Server& server, const std::string& key, const v1::CompletionSpec& spec,
                       Millis deadline)
    : stub_(v1::Completion::NewStub(server.Channel())) {
  Prepare(&context_, key, deadline);
  v1::StreamCompletionRequest request;
  *request.mutable_spec() = spec;
  reader_ = stub_->StreamCompletion(&context_, request);
}

SlowReader::~SlowReader() {
  if (finished_) return;
  context_.TryCancel();
  reader_->Finish();
}

bool SlowReader::Read() {
  v1::StreamCompletionResponse message;
  if (!reader_->Read(&message)) return false;
  text_bytes_ += static_cast<int64_t>(message.delta().text().size());
  last_ = std::move(message);
  return true;
}

grpc::Status SlowReader::Finish() {
  while (Read()) {
  }
  finished_ = true;
  return reader_->Finish();
}

}  // namespace pingti::integration
