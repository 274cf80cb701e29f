// What SseParser makes of streams, for sse_test.mjs. One case per line of standard input: the
// pieces of a stream in hex, separated by commas. One line per case to standard output: `name:data`
// in hex for each event, separated by commas, or `error`.
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "server/base/strings.h"
#include "server/providers/sse_parser.h"

namespace pingti::providers {
namespace {

constexpr size_t kLineBytesMax = 64 * 1024;

std::string Hex(std::string_view bytes) { return absl::BytesToHexString(base::AbslView(bytes)); }

// False: the parser refused the stream.
bool TakeEvents(SseParser& parser, std::string* out) {
  SseEvent event;
  while (true) {
    const SseResult result = parser.Next(&event);
    if (result == SseResult::kNeedMore) return true;
    if (result != SseResult::kEvent) return false;
    if (!out->empty()) out->push_back(',');
    *out += Hex(event.name) + ":" + Hex(event.data);
  }
}

std::string Events(const std::string& line) {
  SseParser parser(kLineBytesMax);
  std::string out;
  // Each piece has memory of its own that is gone with the next one, as from the network.
  for (const absl::string_view hex : absl::StrSplit(line, ',')) {
    const std::string piece = absl::HexStringToBytes(hex);
    parser.Feed(piece);
    if (!TakeEvents(parser, &out)) return "error";
  }
  SseEvent event;
  // Every stream of the test ends with a blank line.
  return parser.Finish(&event) == SseResult::kNeedMore ? out : "error";
}

}  // namespace
}  // namespace pingti::providers

int main() {
  std::ios::sync_with_stdio(false);
  std::string line;
  while (std::getline(std::cin, line)) std::cout << pingti::providers::Events(line) << '\n';
  return std::cout.flush().good() ? EXIT_SUCCESS : EXIT_FAILURE;
}
