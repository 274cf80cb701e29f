#include "server/transport/header_list.h"

#include <curl/curl.h>

#include "absl/status/status.h"
#include "server/base/check.h"
#include "server/base/strings.h"

namespace pingti::transport {
namespace {

bool IsClean(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const HeaderList>> HeaderList::Make(
    const std::vector<std::pair<std::string, std::string>>& headers) {
  std::shared_ptr<HeaderList> made(new HeaderList());
  for (const auto& [name, value] : headers) {
    if (name.empty() || !IsClean(name) || !IsClean(value)) {
      return absl::InvalidArgumentError(base::StrCat("header ",
                                                     IsClean(name) ? name : "(unprintable)",
                                                     " has a line break or NUL in it; remove it"));
    }
    // "Name;" is libcurl's way to send a header without a value; "Name:" would suppress one of its
    // own.
    const std::string line = value.empty() ? name + ";" : base::StrCat(name, ": ", value);
    made->list_ = curl_slist_append(static_cast<curl_slist*>(made->list_), line.c_str());
    PINGTI_CHECK(made->list_ != nullptr, "out of memory");
  }
  // libcurl adds `Expect: 100-continue` to large bodies, which costs a round trip.
  made->list_ = curl_slist_append(static_cast<curl_slist*>(made->list_), "Expect:");
  return std::shared_ptr<const HeaderList>(std::move(made));
}

HeaderList::~HeaderList() { curl_slist_free_all(static_cast<curl_slist*>(list_)); }

}  // namespace pingti::transport
