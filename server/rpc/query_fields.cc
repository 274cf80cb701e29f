#include "server/rpc/query_fields.h"

#include "server/base/strings.h"

namespace pingti::rpc {
namespace {

constexpr int kPageSizeMax = 1000;

}  // namespace

void WriteTime(absl::Time from, google::protobuf::Timestamp* to) {
  const int64_t micros = absl::ToUnixMicros(from);
  to->set_seconds(micros / 1'000'000);
  to->set_nanos(static_cast<int32_t>(micros % 1'000'000) * 1'000);
}

QueryError ReadPageSize(int page_size, int* limit) {
  if (page_size < 0 || page_size > kPageSizeMax) {
    return model::InvalidField(
        "page_size", base::StrCat("is ", page_size, "; must be from 0 to ", kPageSizeMax));
  }
  *limit = (page_size == 0 ? kPageSizeMax : page_size) + 1;
  return std::nullopt;
}

model::CallError BadToken() {
  return model::InvalidField("page_token", "is not the next_page_token of a page before");
}

}  // namespace pingti::rpc
