// Request headers in the form that libcurl wants, built once per provider key and shared by all of
// its requests.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace pingti::transport {

// Immutable and thread-safe.
class HeaderList {
 public:
  // INVALID_ARGUMENT, naming the header but not its value, where a name or value has a CR, LF or
  // NUL: libcurl would send what follows it as a header of its own.
  static absl::StatusOr<std::shared_ptr<const HeaderList>> Make(
      const std::vector<std::pair<std::string, std::string>>& headers);
  ~HeaderList();
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;

  // For CurlTransport: a curl_slist.
  void* list() const { return list_; }

 private:
  HeaderList() = default;
  void* list_ = nullptr;
};

}  // namespace pingti::transport
