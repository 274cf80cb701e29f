// What a transfer that is under way still waits for.
#pragma once

#include <string_view>

#include "server/transport/http_transport.h"

namespace pingti::exchange {

inline bool AwaitsHeader(const transport::HttpTransfer& transfer) {
  return transfer.status() == 0 && !transfer.done();
}

// Of an answer that is an error, or not what was asked for: what fits into the buffer is read.
inline bool AwaitsErrorBody(const transport::HttpTransfer& transfer) {
  return !transfer.done() && transfer.body().size() < transport::kBodyBufferBytesMax;
}

inline bool IsEventStream(const transport::HttpTransfer& transfer) {
  constexpr std::string_view kEventStream = "text/event-stream";
  return transfer.status() == 200 && transfer.header("content-type").starts_with(kEventStream);
}

}  // namespace pingti::exchange
