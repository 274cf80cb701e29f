// Lists that come in pages.
//
// Thread-safety: none; the main thread's.
#pragma once

#include <google/protobuf/repeated_field.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "client/command/format.h"
#include "client/command/session.h"

namespace pingti::command {

inline constexpr std::int64_t kPageSize = 1000;

template <typename Item>
using EachPage = std::function<ExitCode(std::vector<Item>)>;

template <typename Request, typename Response>
using ListMethod = client::Result<Response> (client::Client::*)(const Request&,
                                                                const client::CallOptions&) const;

// How far a long list is, where a person waits for it.
inline void ShowProgress(const Session& session, std::int64_t items) {
  if (!session.console.err_is_terminal) return;
  session.console.err << "\r" << FormatCount(items) << " rows" << std::flush;
}
inline void EndProgress(const Session& session) {
  if (session.console.err_is_terminal) session.console.err << "\r\x1b[K" << std::flush;
}

// Calls `each` with the items of every page; `limit` 0: all. `items` takes them out of a page.
// Shows progress; call EndProgress() afterwards. Errors are written.
template <typename Item, typename Request, typename Response>
ExitCode ForEachPage(const Session& session, const client::CallOptions& options, Request request,
                     ListMethod<Request, Response> list,
                     google::protobuf::RepeatedPtrField<Item>* (Response::*items)(),
                     std::int64_t limit, const EachPage<Item>& each) {
  std::int64_t seen = 0;
  while (limit == 0 || seen < limit) {
    const std::int64_t left = limit == 0 ? kPageSize : limit - seen;
    request.set_page_size(static_cast<int>(std::min(left, kPageSize)));
    client::Result<Response> page = (session.client.*list)(request, options);
    if (!page.ok()) return session.Fail(page.error());
    auto* found = (page.value().*items)();
    seen += found->size();
    const std::string& next = page->next_page_token();
    if (seen > kPageSize || !next.empty()) ShowProgress(session, seen);
    const ExitCode code =
        each({std::make_move_iterator(found->begin()), std::make_move_iterator(found->end())});
    if (code != kExitOk || next.empty()) return code;
    if (next == request.page_token()) {
      return session.Fail(
          client::LocalError(grpc::StatusCode::INTERNAL, "the server's list does not end"));
    }
    request.set_page_token(next);
  }
  return kExitOk;
}

// An EachPage that keeps all items in `all`, which outlives it.
template <typename Item>
EachPage<Item> Collect(std::vector<Item>* all) {
  return [all](std::vector<Item> page) {
    std::move(page.begin(), page.end(), std::back_inserter(*all));
    return kExitOk;
  };
}

}  // namespace pingti::command
