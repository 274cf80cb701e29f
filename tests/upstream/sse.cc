#include "tests/upstream/sse.h"

#include <string_view>
#include <vector>

namespace pingti::upstream {
namespace {

// Ends of lines in turn; a mixed stream uses all three, but ends an event so that a reader which
// sees a lone CR at the end of a segment knows what it has.
std::string_view LineEnd(SseStyle::Newline newline, size_t line) {
  switch (newline) {
    case SseStyle::Newline::kLf:
      return "\n";
    case SseStyle::Newline::kCrLf:
      return "\r\n";
    case SseStyle::Newline::kCr:
      return "\r";
    case SseStyle::Newline::kMixed:
      break;
  }
  constexpr std::string_view kInTurn[] = {"\r\n", "\n", "\r"};
  return kInTurn[line % 3];
}

// Cuts JSON after commas between its tokens, so that joining with line feeds gives the same value.
std::vector<std::string_view> CutBetweenTokens(std::string_view json) {
  std::vector<std::string_view> parts;
  bool in_text = false;
  size_t begin = 0;
  for (size_t i = 0; i < json.size(); ++i) {
    if (in_text && json[i] == '\\') {
      ++i;
    } else if (json[i] == '"') {
      in_text = !in_text;
    } else if (!in_text && json[i] == ',') {
      parts.push_back(json.substr(begin, i + 1 - begin));
      begin = i + 1;
    }
  }
  parts.push_back(json.substr(begin));
  return parts;
}

}  // namespace

void RenderSse(const SseStyle& style, Piece* piece) {
  if (piece->raw) return;
  std::string lines;
  size_t line = piece->bytes.size();  // so that mixed ends begin at different places
  auto put = [&](std::string_view field, std::string_view value) {
    lines.append(field).append(static_cast<size_t>(style.spaces), ' ').append(value);
    lines.append(LineEnd(style.newline, line++));
  };
  if (!piece->event_name.empty()) put("event:", piece->event_name);
  if (style.many_lines && piece->bytes.starts_with('{')) {
    size_t number = 0;
    for (std::string_view part : CutBetweenTokens(piece->bytes)) {
      put("data:", part);
      if (number++ == 0) lines.append("data:").append(LineEnd(style.newline, line++));
    }
  } else {
    put("data:", piece->bytes);
  }
  // A blank line ends the event. After a CR that would be read as CRLF an LF alone is no new line.
  std::string_view blank = LineEnd(style.newline, line);
  if (lines.back() == '\r' && blank == "\n") blank = "\r\n";
  lines.append(blank);
  piece->bytes = std::move(lines);
}

}  // namespace pingti::upstream
