#include "server/config/diagnostics.h"

#include "server/base/strings.h"

namespace pingti::config {

std::string ToString(const Place& place) {
  if (place.line == 0) return *place.file;
  return base::StrCat(*place.file, ":", place.line, ":", place.column);
}

void Diagnostics::Add(const Place& place, std::string_view path, std::string_view message) {
  ++count_;
  if (full()) return;
  shown_.push_back(base::StrCat(ToString(place), ": ", path, path.empty() ? "" : ": ", message));
}

absl::Status Diagnostics::ToStatus() const {
  if (count_ == 0) return absl::OkStatus();
  std::string text;
  for (const std::string& line : shown_) {
    base::StrAppend(&text, text.empty() ? "" : "\n", line);
  }
  if (count_ > shown_.size()) {
    base::StrAppend(&text, "\nand ", count_ - shown_.size(), " more");
  }
  return absl::InvalidArgumentError(text);
}

std::string Enumerate(const std::vector<std::string>& words, std::string_view last_separator) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) base::StrAppend(&text, i + 1 == words.size() ? last_separator : ", ");
    base::StrAppend(&text, words[i]);
  }
  return text;
}

}  // namespace pingti::config
