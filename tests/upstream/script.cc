#include "tests/upstream/script.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "server/base/strings.h"
#include "tests/upstream/answer.h"
#include "tests/upstream/errors.h"

namespace pingti::upstream {
namespace {

int64_t LengthOf(const Reply& reply) {
  int64_t length = reply.missing_bytes;
  for (const Piece& piece : reply.body) length += static_cast<int64_t>(piece.bytes.size());
  return length;
}

std::vector<std::pair<std::string, std::string>> FieldsOf(const Reply& reply) {
  std::vector<std::pair<std::string, std::string>> fields = {
      {":status", base::StrCat(reply.status)}, {"content-type", reply.content_type}};
  for (const auto& [name, value] : reply.headers) {
    fields.emplace_back(absl::AsciiStrToLower(base::AbslView(name)), value);
  }
  if (reply.framing == Framing::kLength) {
    fields.emplace_back("content-length", base::StrCat(LengthOf(reply)));
  }
  return fields;
}

std::string Head(const Reply& reply, bool close) {
  std::string head = base::StrCat("HTTP/1.1 ", reply.status, " ", StatusText(reply.status),
                                  "\r\nContent-Type: ", reply.content_type, "\r\n");
  for (const auto& [name, value] : reply.headers) {
    base::StrAppend(&head, name, ": ", value, "\r\n");
  }
  if (reply.framing == Framing::kLength) {
    base::StrAppend(&head, "Content-Length: ", LengthOf(reply), "\r\n");
  } else if (reply.framing == Framing::kChunked) {
    head += "Transfer-Encoding: chunked\r\n";
  }
  if (close || reply.framing == Framing::kConnection) head += "Connection: close\r\n";
  return head + "\r\n";
}

// Adds a step, or lengthens the last one where both may go out together.
void AddStep(Step step, Script* script) {
  step.size = script->bytes.size() - step.begin;
  if (!script->steps.empty()) {
    Step& last = script->steps.back();
    bool full = script->steps.size() >= kStepsMax;
    if (full || (step.delay_ns == 0 && !step.alone && !last.alone)) {
      last.size += step.size;
      last.content_bytes += step.content_bytes;
      last.content_chunks += step.content_chunks;
      return;
    }
  }
  script->steps.push_back(step);
}

void AddPiece(const Piece& piece, bool chunked, Script* script) {
  Step step;
  step.begin = script->bytes.size();
  step.delay_ns = piece.delay_ns;
  step.alone = piece.alone;
  step.content_bytes = piece.content_bytes;
  bool is_chunk = piece.kind == PieceKind::kContent && piece.content_bytes > 0;
  step.content_chunks = is_chunk ? 1 : 0;
  size_t mark = piece.bytes.find(kStampMark);
  if (chunked) {
    script->bytes += absl::StrFormat("%x\r\n", piece.bytes.size());
  }
  if (mark != std::string::npos && piece.content_bytes > 0) {
    step.stamp_at = static_cast<int32_t>(script->bytes.size() - step.begin + mark);
    step.alone = true;
  }
  script->bytes += piece.bytes;
  if (chunked) script->bytes += "\r\n";
  AddStep(step, script);
}

// Cuts the steps into sends of at most `segment_bytes`. What a step counts for is in its last part.
std::vector<Step> Segments(const std::vector<Step>& steps, size_t segment_bytes) {
  std::vector<Step> segments;
  for (const Step& step : steps) {
    if (step.stamp_at >= 0 || step.size == 0 || segments.size() >= kStepsMax) {
      segments.push_back(step);
      continue;
    }
    for (size_t at = 0; at < step.size; at += segment_bytes) {
      Step part{.begin = step.begin + at, .size = std::min(segment_bytes, step.size - at)};
      part.alone = true;
      part.delay_ns = at == 0 ? step.delay_ns : 0;
      if (at + segment_bytes >= step.size) {
        part.content_bytes = step.content_bytes;
        part.content_chunks = step.content_chunks;
      }
      segments.push_back(part);
    }
  }
  return segments;
}

}  // namespace

std::shared_ptr<const Script> BuildScript(const Reply& reply, int64_t segment_bytes, bool close,
                                          Protocol protocol) {
  // HTTP/2 frames what it carries itself.
  const bool chunked = reply.framing == Framing::kChunked && protocol == Protocol::kHttp1;
  auto script = std::make_shared<Script>();
  script->ending = reply.ending;
  if (close && script->ending == Ending::kKeepAlive) script->ending = Ending::kClose;
  script->end_delay_ns = reply.end_delay_ns;
  script->status = reply.status;
  script->stream = reply.stream;
  script->faulty = reply.faulty;
  script->prompt_tokens = reply.prompt_tokens;
  script->completion_tokens = reply.completion_tokens;
  if (reply.send_head) {
    if (protocol == Protocol::kHttp2) {
      script->fields = FieldsOf(reply);
    } else {
      script->bytes = Head(reply, close);
    }
    AddStep({.delay_ns = reply.head_delay_ns}, script.get());
  }
  for (const Piece& piece : reply.body) {
    if (!piece.bytes.empty()) AddPiece(piece, chunked, script.get());
  }
  if (chunked && reply.send_last_chunk && reply.send_head) {
    Step last{.begin = script->bytes.size()};
    script->bytes += "0\r\n\r\n";
    AddStep(last, script.get());
  }
  if (segment_bytes > 0) {
    script->steps = Segments(script->steps, static_cast<size_t>(segment_bytes));
  }
  return script;
}

void WriteStamp(int64_t now_ns, char* place) {
  std::memset(place, '.', kStampMark.size());
  place[0] = 't';
  place[1] = '=';
  char* end = std::to_chars(place + 2, place + kStampMark.size() - 1, now_ns).ptr;
  *end = ';';
}

}  // namespace pingti::upstream
