#include "tests/upstream/payload_faults.h"

#include <zlib.h>

#include <algorithm>

#include "absl/strings/str_replace.h"
#include "server/base/strings.h"
#include "tests/upstream/chat_json.h"

namespace pingti::upstream {
namespace {

constexpr size_t kLongFieldBytes = 1 << 20;
constexpr size_t kEndlessFieldBytes = 17 << 20;  // more than a line may have by default
constexpr size_t kBombBytes = 70 << 20;          // more than an answer may have by default
constexpr size_t kDepth = 10'000;

bool IsContent(const Piece& piece) { return piece.kind == PieceKind::kContent; }

// The last event with content: what comes before it reaches the caller.
Piece* LastContent(std::vector<Piece>* events) {
  const auto last = std::find_if(events->rbegin(), events->rend(), IsContent);
  return last == events->rend() ? nullptr : &*last;
}

// Puts a field first into a JSON object.
void AddField(std::string_view field, Piece* piece) {
  if (piece->bytes.size() > 1 && piece->bytes[0] == '{') {
    piece->bytes.insert(1, base::StrCat(field, ","));
  }
}

std::string Separators() { return "\"x_lines\":\"a\u2028b\u2029c\u0085d\""; }

template <size_t kBytes>
std::string Long() {
  return base::StrCat(R"("x_long":")", std::string(kBytes, 'x'), "\"");
}

std::string Nul() { return std::string("\"x_nul\":\"a\0b\"", 13); }
std::string Broken() { return R"("x_broken":})"; }

std::string Deep() {
  return base::StrCat(R"("x_deep":)", std::string(kDepth, '['), std::string(kDepth, ']'));
}

std::string Number() { return base::StrCat(R"("x_number":)", std::string(kLongFieldBytes, '9')); }

std::string Twice() { return R"("id":"first","id":"second")"; }

std::string Unknown() {
  return R"("x_unknown":{"a":[1,null,{"b":"c"}]},"service_tier":"never-heard-of")";
}

// The field in the last event with content.
template <std::string (*kField)()>
void FieldInEvents(const FaultContext&, std::vector<Piece>* events) {
  if (Piece* last = LastContent(events)) AddField(kField(), last);
}

// The same field in an answer that is not streamed.
template <std::string (*kField)()>
void FieldInAnswer(const FaultContext&, Reply* reply) {
  if (reply->stream) return;
  for (Piece& piece : reply->body) AddField(kField(), &piece);
}

template <std::string (*kField)()>
void BadFieldInAnswer(const FaultContext& context, Reply* reply) {
  reply->faulty = true;
  FieldInAnswer<kField>(context, reply);
}

// Puts `pieces` before each event.
void Between(const std::vector<Piece>& pieces, std::vector<Piece>* events) {
  std::vector<Piece> mixed;
  for (Piece& event : *events) {
    mixed.insert(mixed.end(), pieces.begin(), pieces.end());
    mixed.push_back(std::move(event));
  }
  *events = std::move(mixed);
}

void CommentEvents(const FaultContext&, std::vector<Piece>* events) {
  Between({{.bytes = ": ping\n\n", .raw = true}}, events);
}

void KeepaliveData(const FaultContext&, std::vector<Piece>* events) {
  Between({{.bytes = ": keepalive"}}, events);
}

void PingEvents(const FaultContext&, std::vector<Piece>* events) {
  Between({{.bytes = R"({"type":"ping"})", .event_name = "ping"},
           {.bytes = "event: ping\n\n", .raw = true}},
          events);
}

// One gzip stream over all pieces, each of which can be read as soon as it is there.
void Compress(Reply* reply) {
  z_stream zip = {};
  constexpr int kGzip = 15 + 16;
  if (deflateInit2(&zip, Z_BEST_SPEED, Z_DEFLATED, kGzip, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
    return;
  }
  for (size_t i = 0; i < reply->body.size(); ++i) {
    Piece& piece = reply->body[i];
    std::string out(deflateBound(&zip, piece.bytes.size()) + 64, '\0');
    zip.next_in = reinterpret_cast<Bytef*>(piece.bytes.data());
    zip.avail_in = static_cast<uInt>(piece.bytes.size());
    zip.next_out = reinterpret_cast<Bytef*>(out.data());
    zip.avail_out = static_cast<uInt>(out.size());
    deflate(&zip, i + 1 == reply->body.size() ? Z_FINISH : Z_SYNC_FLUSH);
    out.resize(out.size() - zip.avail_out);
    piece.bytes = std::move(out);
  }
  deflateEnd(&zip);
  reply->headers.emplace_back("Content-Encoding", "gzip");
}

void Gzip(const FaultContext&, Reply* reply) { Compress(reply); }

// After the first content of a stream; instead of an answer that is not streamed.
void GzipBomb(const FaultContext&, Reply* reply) {
  reply->faulty = true;
  const auto first = std::find_if(reply->body.begin(), reply->body.end(), IsContent);
  if (first != reply->body.end()) reply->body.erase(first + 1, reply->body.end());
  if (!reply->stream) reply->body.clear();
  const size_t bytes = reply->stream ? kEndlessFieldBytes : kBombBytes;
  reply->body.push_back({.bytes = std::string(bytes, 'x'), .raw = true});
  Compress(reply);
}

void ByteOrderMark(const FaultContext&, Reply* reply) {
  reply->body.insert(reply->body.begin(), {.bytes = "\xEF\xBB\xBF\n\n", .raw = true});
}

void NoLastBlankLine(const FaultContext&, Reply* reply) {
  if (!reply->stream || reply->body.empty()) return;
  std::string& last = reply->body.back().bytes;
  while (!last.empty() && (last.back() == '\n' || last.back() == '\r')) last.pop_back();
  reply->framing = Framing::kConnection;
  reply->ending = Ending::kClose;
}

void MoreAfterDone(const FaultContext&, std::vector<Piece>* events) {
  Piece content;
  if (const Piece* last = LastContent(events)) content.bytes = last->bytes;
  events->push_back(content);
  events->push_back({.bytes = "[DONE]"});
}

void SpacesAroundDone(const FaultContext&, std::vector<Piece>* events) {
  for (Piece& event : *events) {
    if (event.kind == PieceKind::kDone) event.bytes = " [DONE]  ";
  }
}

void OneByteSegments(Knobs* knobs, SseStyle*) { knobs->segment_bytes = 1; }

// A stream's type, and in it the JSON of an answer that is not streamed.
void BareJson(const FaultContext& context, Reply* reply) {
  if (!reply->stream) return;
  reply->framing = Framing::kLength;
  reply->body = {{.kind = PieceKind::kBody, .raw = true}};
  reply->body[0].bytes = CompletionJson(context.answer, UsageShape::kOpenAi);
}

// A stream where none was asked for.
void StreamForUnary(const FaultContext& context, Reply* reply) {
  if (reply->stream) return;
  reply->content_type = "text/event-stream";
  reply->body = StreamEvents(context.answer, context.knobs, true);
  for (Piece& piece : reply->body) RenderSse(SseStyle(), &piece);
}

void Redirect(const FaultContext&, Reply* reply) {
  reply->faulty = true;
  reply->status = 307;
  reply->framing = Framing::kLength;
  reply->body.clear();
  // Nothing may ever go there.
  reply->headers.emplace_back("Location", "/v1/redirected");
}

void FinishTwice(const FaultContext&, std::vector<Piece>* events) {
  const auto finish = std::find_if(events->begin(), events->end(), [](const Piece& event) {
    return event.kind == PieceKind::kFinish;
  });
  if (finish == events->end()) return;
  const Piece again = *finish;
  events->insert(finish, again);
}

void EmptyFinish(const FaultContext&, std::vector<Piece>* events) {
  for (Piece& event : *events) {
    absl::StrReplaceAll({{R"("finish_reason":null)", R"("finish_reason":"")"}}, &event.bytes);
  }
}

void BrokenEvent(const FaultContext&, std::vector<Piece>* events) {
  const Piece* last = LastContent(events);
  if (last == nullptr) return;
  events->insert(events->begin() + (last - events->data()),
                 {.bytes = R"({"choices":[{"index":0,"delta":{"content":)"});
}

void NullContent(const FaultContext& context, std::vector<Piece>* events) {
  FieldInEvents<Unknown>(context, events);
  Between({{.bytes = R"({"choices":[{"index":0,"delta":{"content":null,"x":1}}]})"},
           {.bytes = R"({"choices":[{"index":0,"delta":{}}]})"}},
          events);
}

void ChangingId(const FaultContext& context, std::vector<Piece>* events) {
  int number = 0;
  for (Piece& event : *events) {
    const std::string other = base::StrCat("chatcmpl-simulated-other-", number++);
    absl::StrReplaceAll({{context.answer.id, other}}, &event.bytes);
  }
}

// What Gemini answers to a prompt that it blocks: no candidate, and no [DONE] after it.
void BlockedPrompt(const FaultContext& context, Reply* reply) {
  reply->completion_tokens = 0;
  const std::string tokens = base::StrCat(context.answer.prompt_tokens);
  Piece answer = {.kind = PieceKind::kBody};
  answer.bytes = base::StrCat(R"({"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},)",
                              R"("usageMetadata":{"promptTokenCount":)", tokens,
                              R"(,"totalTokenCount":)", tokens, R"(},"modelVersion":"simulated"})");
  answer.raw = !reply->stream;
  if (reply->stream) RenderSse(SseStyle(), &answer);
  reply->body = {std::move(answer)};
}

const FaultRow kPayloadFaults[] = {
    {"6", "comments with a blank line after them", nullptr, CommentEvents, nullptr},
    {"7", "a keepalive comment as data", nullptr, KeepaliveData, nullptr},
    {"8", "ping events, with data and without", nullptr, PingEvents, nullptr},
    {"10", "U+2028, U+2029, NEL in JSON", nullptr, FieldInEvents<Separators>,
     FieldInAnswer<Separators>},
    {"11", "a line of 1 MiB", nullptr, FieldInEvents<Long<kLongFieldBytes>>,
     FieldInAnswer<Long<kLongFieldBytes>>},
    {"11big", "a line of 17 MiB", nullptr, FieldInEvents<Long<kEndlessFieldBytes>>,
     FieldInAnswer<Long<kEndlessFieldBytes>>},
    {"12", "gzip that nobody asked for", nullptr, nullptr, Gzip},
    {"12b", "a small gzip with more in it than an answer may have", nullptr, nullptr, GzipBomb},
    {"13", "byte order mark and blank lines first", nullptr, nullptr, ByteOrderMark},
    {"13nul", "a NUL byte", nullptr, FieldInEvents<Nul>, BadFieldInAnswer<Nul>},
    {"14", "no blank line after the last event", nullptr, nullptr, NoLastBlankLine},
    {"15", "content and [DONE] after [DONE]", nullptr, MoreAfterDone, nullptr},
    {"15spaces", "spaces around [DONE]", nullptr, SpacesAroundDone, nullptr},
    {"16", "segments of one byte", OneByteSegments, nullptr, nullptr},
    {"28", "a stream that is one JSON", nullptr, nullptr, BareJson},
    {"29", "a stream that nobody asked for", nullptr, nullptr, StreamForUnary},
    {"32", "a redirection", nullptr, nullptr, Redirect},
    {"43", "finish_reason twice", nullptr, FinishTwice, nullptr},
    {"43empty", "an empty finish_reason on each chunk", nullptr, EmptyFinish, nullptr},
    {"44", "no candidates and Gemini's blockReason", nullptr, nullptr, BlockedPrompt},
    {"53", "broken JSON among good", nullptr, BrokenEvent, BadFieldInAnswer<Broken>},
    {"54deep", "10,000 nested arrays", nullptr, FieldInEvents<Deep>, FieldInAnswer<Deep>},
    {"54number", "a number of 1 MiB", nullptr, FieldInEvents<Number>, FieldInAnswer<Number>},
    {"54twice", "a key twice", nullptr, FieldInEvents<Twice>, FieldInAnswer<Twice>},
    {"55", "unknown fields, null content", nullptr, NullContent, FieldInAnswer<Unknown>},
    {"56", "another id in each chunk", nullptr, ChangingId, nullptr},
};

}  // namespace

std::span<const FaultRow> PayloadFaults() { return kPayloadFaults; }

}  // namespace pingti::upstream
