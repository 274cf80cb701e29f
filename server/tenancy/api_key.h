// API keys: `pt_<public id>_<secret>`.
//
// The public id finds the record, the SHA-256 of the whole key proves it. The secret has 160 random
// bits, so a plain hash is enough: there is nothing to guess. Only the hash is ever stored.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pingti::tenancy {

using KeyHash = std::array<uint8_t, 32>;

// SHA-256 of a whole key.
KeyHash HashKey(std::string_view key);

// The public id inside a well-formed key; nothing for anything else.
std::optional<std::string_view> PublicIdOf(std::string_view key);

struct NewKey {
  std::string key;     // to be shown once
  std::string record;  // `pt_<public id>:<hex of the hash>`, for the configuration
};

// A fresh key from the kernel's random bytes.
NewKey MakeKey();

}  // namespace pingti::tenancy
