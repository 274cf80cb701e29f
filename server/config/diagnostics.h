// The errors that are found in configuration files: all of them in one go, each with its place.
//
// Belongs to one load; not thread-safe. Messages never hold a secret or a value that came from the
// environment: who adds one takes care of that (fields.h).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace pingti::config {

// So many errors are shown; the rest is only counted.
inline constexpr size_t kErrorsShownMax = 20;

// Where something stands in a file. Line and column count from 1; 0: the file as a whole.
struct Place {
  const std::string* file = nullptr;  // outlives the load
  int line = 0;
  int column = 0;
};

// `path/to/file.yaml:12:5`, or only the file.
std::string ToString(const Place& place);

class Diagnostics {
 public:
  // Adds `<place>: <path>: <message>`. `path` names a field, for example `providers[0].name`; it is
  // empty for what concerns the whole file.
  void Add(const Place& place, std::string_view path, std::string_view message);

  // How many errors were added, shown or not.
  size_t count() const { return count_; }

  // Further errors are only counted, so their message need not be made.
  bool full() const { return shown_.size() >= kErrorsShownMax; }

  // InvalidArgument with one error per line; OK where there is none.
  absl::Status ToStatus() const;

 private:
  std::vector<std::string> shown_;
  size_t count_ = 0;
};

// `a, b and c`.
std::string Enumerate(const std::vector<std::string>& words, std::string_view last_separator);

}  // namespace pingti::config
