// Who is behind an API key. Made from the configuration; immutable and thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "server/config/config.h"
#include "server/tenancy/api_key.h"

namespace pingti::tenancy {

struct Identity {
  size_t tenant = 0;        // index in Config::tenants
  std::string_view key_id;  // public id of the key; lives as long as the directory
};

class TenantDirectory {
 public:
  explicit TenantDirectory(const config::Config& config);

  // The owner of a valid key. Unknown ids and wrong secrets take the same path and time.
  std::optional<Identity> Find(std::string_view key) const;

 private:
  struct Entry {
    KeyHash hash;
    size_t tenant;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> by_public_id_;
};

}  // namespace pingti::tenancy
