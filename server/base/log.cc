#include "server/base/log.h"

#include <unistd.h>

#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/base/strings.h"

namespace pingti::base {
namespace {

void AppendJsonString(std::string* out, std::string_view text) {
  out->push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      StrAppend(out, "\\u00", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}

}  // namespace

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  static constexpr std::string_view kNames[] = {"info", "warning", "error"};
  std::string line = "{\"time\":";
  AppendJsonString(&line,
                   absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone()));
  StrAppend(&line, ",\"level\":\"", kNames[static_cast<int>(level)], "\",\"message\":");
  AppendJsonString(&line, message);
  for (const auto& [name, value] : fields) {
    line.push_back(',');
    AppendJsonString(&line, name);
    line.push_back(':');
    AppendJsonString(&line, value);
  }
  line += "}\n";
  // One write per line keeps lines of several threads whole; what stderr does not take is lost.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace pingti::base
