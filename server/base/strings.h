// StrCat and StrAppend that take std::string_view.
//
// Debian 12's abseil is built with a string_view of its own, to which std::string_view does not
// convert; newer ones use std::string_view. These adapters work with both.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace pingti::base {

inline absl::string_view AbslView(std::string_view text) { return {text.data(), text.size()}; }

namespace strings_internal {

template <typename T>
decltype(auto) Adapt(const T& part) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    return AbslView(part);
  } else {
    return (part);
  }
}

}  // namespace strings_internal

template <typename... Parts>
std::string StrCat(const Parts&... parts) {
  return absl::StrCat(strings_internal::Adapt(parts)...);
}

template <typename... Parts>
void StrAppend(std::string* out, const Parts&... parts) {
  absl::StrAppend(out, strings_internal::Adapt(parts)...);
}

}  // namespace pingti::base
