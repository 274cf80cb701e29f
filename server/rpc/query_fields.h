// Fields that several queries have: times, and the size of a page.
#pragma once

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"
#include "server/rpc/query.h"

namespace pingti::rpc {

inline constexpr int32_t kNanosMax = 999'999'999;  // of a google.protobuf time

void WriteTime(absl::Time from, google::protobuf::Timestamp* to);

// FIELD_INVALID. `limit` is one more than a page is asked for: whether there is a next one.
QueryError ReadPageSize(int page_size, int* limit);

// FIELD_INVALID of what is no `next_page_token` of the same request.
model::CallError BadToken();

}  // namespace pingti::rpc
