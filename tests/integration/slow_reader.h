// A stream that is read message by message, or not, on a connection of its own whose windows do not
// grow: who stops reading holds the server back.
//
// Confined to one thread, but for Cancel().
#pragma once

#include <grpcpp/client_context.h>

#include <memory>
#include <string>

#include "tests/integration/programs.h"

namespace pingti::integration {

class SlowReader {
 public:
  SlowReader(const Server& server, const std::string& key, const v1::CompletionSpec& spec,
             Millis deadline = WaitMax());
  // Ends its call.
  ~SlowReader();
  SlowReader(const SlowReader&) = delete;
  SlowReader& operator=(const SlowReader&) = delete;

  // False: the stream has ended.
  bool Read();
  void Cancel() { context_.TryCancel(); }
  // Reads what is left.
  grpc::Status Finish();

  // Of all messages so far.
  int64_t text_bytes() const { return text_bytes_; }
  const v1::StreamCompletionResponse& last() const { return last_; }

 private:
  std::unique_ptr<v1::Completion::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::StreamCompletionResponse>> reader_;
  v1::StreamCompletionResponse last_;
  int64_t text_bytes_ = 0;
  bool finished_ = false;
};

}  // namespace pingti::integration
