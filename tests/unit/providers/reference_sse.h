// Server-Sent Events by the letter of the standard: slow, whole input, no cleverness. What the
// incremental parser is compared with.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pingti::providers::testing {

using NamedData = std::pair<std::string, std::string>;  // event name, data

// Events of a stream that holds no NUL byte and no line over any limit. Like SseParser, gives the
// event that the end of the stream has cut off.
inline std::vector<NamedData> ReferenceEvents(std::string_view stream) {
  if (stream.substr(0, 3) == "\xEF\xBB\xBF") stream.remove_prefix(3);
  std::vector<std::string> lines(1);
  for (size_t i = 0; i < stream.size(); ++i) {
    if (stream[i] == '\r' || stream[i] == '\n') {
      if (stream[i] == '\r' && i + 1 < stream.size() && stream[i + 1] == '\n') ++i;
      lines.emplace_back();
    } else {
      lines.back().push_back(stream[i]);
    }
  }
  // The last element has no line end: it ends the stream, with the event under way.
  lines.emplace_back();

  std::vector<NamedData> events;
  std::vector<std::string> data;
  std::string name;
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    bool last = i + 1 == lines.size();
    if (i + 2 == lines.size() && line.empty()) continue;
    if (line.empty()) {
      if (!data.empty()) {
        std::string joined = data[0];
        for (size_t k = 1; k < data.size(); ++k) joined += "\n" + data[k];
        events.emplace_back(name, joined);
      }
      data.clear();
      name.clear();
      if (last) break;
      continue;
    }
    size_t colon = line.find(':');
    std::string field = line.substr(0, colon);
    std::string value = colon == std::string::npos ? "" : line.substr(colon + 1);
    if (!value.empty() && value[0] == ' ') value.erase(0, 1);
    if (field == "data") data.push_back(value);
    if (field == "event") name = value;
  }
  return events;
}

}  // namespace pingti::providers::testing
