// A text that must not leave by accident: it has no stream operator, no implicit conversion and no
// comparison.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace pingti::config {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}

  bool empty() const { return value_.empty(); }

  // The text itself. Call this only where it goes to the peer that it is for.
  std::string_view Reveal() const { return value_; }

  friend bool operator==(const Secret&, const Secret&) = default;

 private:
  std::string value_;
};

}  // namespace pingti::config
