// A file of prices with any bytes: what is taken becomes whole lines of YAML, anything else an
// error and nothing.
#include <cstdint>
#include <string>
#include <string_view>

#include "client/command/price_import.h"
#include "server/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  pingti::command::ImportRequest request;
  request.provider = "p";
  request.date = "2024-06-01";
  const pingti::command::Imported imported = pingti::command::ImportPrices(text, request);
  PINGTI_CHECK(imported.yaml.empty() != imported.errors.empty(), "the one or the other");
  for (size_t at = 0; at < imported.yaml.size(); at = imported.yaml.find('\n', at) + 1) {
    const std::string_view line = std::string_view(imported.yaml).substr(at);
    const bool ours = line.starts_with("#") || line.starts_with("models:") ||
                      line.starts_with("  - name: \"") || line.starts_with("    ");
    PINGTI_CHECK(ours, "no line begins with foreign text");
  }
  return 0;
}
