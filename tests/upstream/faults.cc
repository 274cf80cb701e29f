#include "tests/upstream/faults.h"

#include <algorithm>

#include "server/base/strings.h"
#include "tests/upstream/chat_json.h"
#include "tests/upstream/clock.h"
#include "tests/upstream/content_faults.h"
#include "tests/upstream/errors.h"
#include "tests/upstream/payload_faults.h"
#include "tests/upstream/refusal_faults.h"

namespace pingti::upstream {
namespace {

// Pieces of one byte that a reply may be split into; the rest of it stays whole.
constexpr size_t kBytePiecesMax = 1'000'000;
// Pings in one silence.
constexpr int64_t kPingsMax = 10'000;
// Time that the peer gets to read what came before a reset.
constexpr int64_t kBeforeResetNs = 20'000'000;

template <SseStyle::Newline kNewline>
void UseNewline(Knobs*, SseStyle* style) {
  style->newline = kNewline;
}

template <int kSpaces>
void UseSpaces(Knobs*, SseStyle* style) {
  style->spaces = kSpaces;
}

template <UsageShape kShape>
void UseUsage(Knobs* knobs, SseStyle*) {
  knobs->usage_shape = kShape;
}

void UseManyLines(Knobs*, SseStyle* style) { style->many_lines = true; }

// Calls cut(byte before, byte after) between bytes and splits there; each part goes out alone.
template <typename Cut>
void SplitPieces(Reply* reply, int64_t delay_ns, Cut cut) {
  std::vector<Piece> parts;
  for (Piece& piece : reply->body) {
    size_t begin = 0;
    for (size_t i = 1; i <= piece.bytes.size(); ++i) {
      bool end = i == piece.bytes.size();
      if (!end && (parts.size() >= kBytePiecesMax || !cut(piece.bytes[i - 1]))) continue;
      Piece part{.kind = piece.kind, .bytes = piece.bytes.substr(begin, i - begin), .alone = true};
      part.delay_ns = std::max(begin == 0 ? piece.delay_ns : 0, delay_ns);
      part.content_bytes = end ? piece.content_bytes : 0;
      parts.push_back(std::move(part));
      begin = i;
    }
  }
  reply->body = std::move(parts);
  if (reply->framing == Framing::kLength) reply->framing = Framing::kChunked;
}

void SplitEveryByte(const FaultContext&, Reply* reply) {
  SplitPieces(reply, 0, [](char) { return true; });
}

void SplitAfterCr(const FaultContext&, Reply* reply) {
  SplitPieces(reply, 0, [](char before) { return before == '\r'; });
}

void Trickle(const FaultContext& context, Reply* reply) {
  SplitPieces(reply, NsFromMs(context.knobs.trickle_ms), [](char) { return true; });
}

Piece Ping(int64_t number) {
  Piece ping{.raw = true};
  ping.bytes = number % 2 == 0 ? ": OPENROUTER PROCESSING\n\n" : ": ping\n";
  return ping;
}

// A comment before every event, and one in each ping_ms of silence.
void AddPings(const FaultContext& context, Reply* reply) {
  if (!reply->stream) return;
  int64_t gap_ns = std::max<int64_t>(NsFromMs(context.knobs.ping_ms), 1'000'000);
  std::vector<Piece> body;
  int64_t number = 0;
  for (Piece& piece : reply->body) {
    body.push_back(Ping(number++));
    for (int64_t i = 0; i < kPingsMax && piece.delay_ns > gap_ns; ++i) {
      Piece ping = Ping(number++);
      ping.delay_ns = gap_ns;
      piece.delay_ns -= gap_ns;
      body.push_back(std::move(ping));
    }
    body.push_back(std::move(piece));
  }
  reply->body = std::move(body);
}

void AddForeignEvents(const FaultContext&, std::vector<Piece>* events) {
  std::vector<Piece> mixed;
  for (Piece& event : *events) {
    mixed.push_back({.bytes = "{}", .event_name = "heartbeat"});
    mixed.push_back({.bytes = R"({"type":"x.unknown","sequence":1})", .event_name = "x.unknown"});
    mixed.push_back(std::move(event));
  }
  *events = std::move(mixed);
}

void NameEvents(const FaultContext&, std::vector<Piece>* events) {
  for (Piece& event : *events) event.event_name = "chat.completion.chunk";
}

void DropEvents(std::vector<Piece>* events, std::initializer_list<PieceKind> kinds) {
  std::erase_if(*events, [&](const Piece& event) {
    return std::find(kinds.begin(), kinds.end(), event.kind) != kinds.end();
  });
}

void DropDone(const FaultContext&, std::vector<Piece>* events) {
  DropEvents(events, {PieceKind::kDone});
}

void DropFinishAndDone(const FaultContext&, std::vector<Piece>* events) {
  DropEvents(events, {PieceKind::kDone, PieceKind::kFinish, PieceKind::kUsage});
}

void DropAll(const FaultContext&, std::vector<Piece>* events) { events->clear(); }

void OnlyDone(const FaultContext&, std::vector<Piece>* events) {
  std::erase_if(*events, [](const Piece& event) { return event.kind != PieceKind::kDone; });
}

// Keeps half of the content pieces, at least one, and what is before them.
void KeepHalf(std::vector<Piece>* pieces) {
  auto is_content = [](const Piece& piece) { return piece.kind == PieceKind::kContent; };
  auto count = std::count_if(pieces->begin(), pieces->end(), is_content);
  auto left = std::max<std::ptrdiff_t>(1, count / 2);
  auto end = std::find_if(pieces->begin(), pieces->end(), [&](const Piece& piece) {
    return is_content(piece) ? left-- == 0 : piece.kind == PieceKind::kFinish;
  });
  pieces->erase(end, pieces->end());
}

// Half of the answer, whatever its form; what is missing was promised.
void CutInHalf(Reply* reply) {
  reply->faulty = true;
  reply->send_last_chunk = false;
  if (reply->stream) {
    KeepHalf(&reply->body);
    return;
  }
  for (Piece& piece : reply->body) {
    size_t keep = piece.bytes.size() / 2;
    reply->missing_bytes += static_cast<int64_t>(piece.bytes.size() - keep);
    piece.bytes.resize(keep);
    piece.content_bytes /= 2;
  }
}

// Nothing of the content: a stream's head and role chunks, of anything else nothing at all.
void CutBeforeContent(Reply* reply) {
  reply->faulty = true;
  reply->send_last_chunk = false;
  if (!reply->stream) {
    reply->send_head = false;
    reply->body.clear();
    return;
  }
  auto first = std::find_if(reply->body.begin(), reply->body.end(), [](const Piece& piece) {
    return piece.kind != PieceKind::kRole && piece.kind != PieceKind::kOther;
  });
  reply->body.erase(first, reply->body.end());
}

void ResetBeforeContent(const FaultContext&, Reply* reply) {
  CutBeforeContent(reply);
  reply->ending = Ending::kReset;
  reply->end_delay_ns = kBeforeResetNs;
}

void ResetAfterContent(const FaultContext&, Reply* reply) {
  CutInHalf(reply);
  reply->ending = Ending::kReset;
  reply->end_delay_ns = kBeforeResetNs;
}

// Nothing at all: for what is said of a request that was not worked on.
void AnswerNothing(Reply* reply) {
  reply->faulty = true;
  reply->send_head = false;
  reply->body.clear();
}

void GoAwayBeforeAnswer(const FaultContext&, Reply* reply) {
  AnswerNothing(reply);
  reply->ending = Ending::kGoAway;
}

void RefuseStream(const FaultContext&, Reply* reply) {
  AnswerNothing(reply);
  reply->ending = Ending::kStreamRefused;
}

void CloseBeforeAnswer(const FaultContext&, Reply* reply) {
  AnswerNothing(reply);
  reply->ending = Ending::kClose;
}

void StreamErrorBeforeContent(const FaultContext&, Reply* reply) {
  CutBeforeContent(reply);
  reply->ending = Ending::kStreamError;
  reply->end_delay_ns = kBeforeResetNs;
}

template <Ending kEnding>
void EndStreamAfterContent(const FaultContext&, Reply* reply) {
  CutInHalf(reply);
  reply->ending = kEnding;
  reply->end_delay_ns = kBeforeResetNs;
}

void EndWithoutLastChunk(const FaultContext&, Reply* reply) {
  CutInHalf(reply);
  reply->missing_bytes = 0;
  reply->framing = Framing::kChunked;
  reply->ending = Ending::kClose;
}

// The last event is cut in its middle, too.
void EndOfConnection(const FaultContext&, Reply* reply) {
  CutInHalf(reply);
  reply->missing_bytes = 0;
  reply->framing = Framing::kConnection;
  reply->ending = Ending::kClose;
  if (reply->stream && !reply->body.empty()) {
    std::string& last = reply->body.back().bytes;
    last.resize(last.size() / 2);
    reply->body.back().content_bytes = 0;
  }
}

// Content-Length promises more than comes.
void EndBeforeLength(const FaultContext&, Reply* reply) {
  int64_t whole = 0;
  for (const Piece& piece : reply->body) whole += static_cast<int64_t>(piece.bytes.size());
  CutInHalf(reply);
  for (const Piece& piece : reply->body) whole -= static_cast<int64_t>(piece.bytes.size());
  reply->missing_bytes = std::max<int64_t>(whole, 1);
  reply->framing = Framing::kLength;
  reply->ending = Ending::kClose;
}

void StallBeforeHead(const FaultContext&, Reply* reply) {
  reply->faulty = true;
  reply->send_head = false;
  reply->body.clear();
  reply->ending = Ending::kHang;
}

void StallBeforeBody(const FaultContext&, Reply* reply) {
  reply->faulty = true;
  reply->missing_bytes = 0;
  for (const Piece& piece : reply->body) {
    reply->missing_bytes += static_cast<int64_t>(piece.bytes.size());
  }
  reply->body.clear();
  reply->send_last_chunk = false;
  reply->ending = Ending::kHang;
}

void StallAfterContent(const FaultContext&, Reply* reply) {
  CutInHalf(reply);
  reply->ending = Ending::kHang;
}

Piece Overloaded() {
  Piece event{.event_name = "error"};
  event.bytes = ErrorBody("Overloaded (simulated)", "overloaded_error", "", "");
  return event;
}

void ErrorFirst(const FaultContext&, std::vector<Piece>* events) {
  events->clear();
  events->push_back(Overloaded());
}

void ErrorAfterContent(const FaultContext&, std::vector<Piece>* events) {
  KeepHalf(events);
  events->push_back(Overloaded());
}

// An error as JSON under the status 200, also where a stream was asked for.
void JsonError(const FaultContext&, Reply* reply) {
  reply->faulty = true;
  reply->content_type = "application/json";
  reply->framing = Framing::kLength;
  reply->body = {Overloaded()};
  reply->body.back().raw = true;
}

// The form of fault 26 that an answer without a stream has.
void ErrorUnder200(const FaultContext& context, Reply* reply) {
  reply->faulty = true;
  if (!reply->stream) JsonError(context, reply);
}

void EmptyBody(const FaultContext&, Reply* reply) {
  reply->faulty = true;
  reply->framing = Framing::kLength;
  reply->body.clear();
}

// A body without a single event; without a stream: only white space.
void NoEvents(const FaultContext&, Reply* reply) {
  reply->faulty = true;
  if (!reply->stream) reply->body = {{.bytes = " \n", .raw = true}};
}

void MarkFaulty(const FaultContext&, Reply* reply) { reply->faulty = true; }

void Page(int status, std::string_view title, Reply* reply) {
  reply->faulty = true;
  reply->status = status;
  reply->content_type = "text/html; charset=UTF-8";
  reply->framing = Framing::kLength;
  reply->headers.emplace_back("Server", "simulated-cdn");
  Piece page{.kind = PieceKind::kBody, .raw = true};
  page.bytes =
      base::StrCat("<!DOCTYPE html>\n<html><head><title>", title, "</title></head>\n<body><h1>",
                   title, "</h1><p>SIMULATED-HTML-BODY</p></body></html>\n");
  reply->body = {std::move(page)};
}

void CdnPage(const FaultContext&, Reply* reply) { Page(502, "502 Bad gateway", reply); }
void LoginPage(const FaultContext&, Reply* reply) { Page(200, "Sign in to continue", reply); }
void WafPage(const FaultContext&, Reply* reply) { Page(403, "Access denied", reply); }

void EmptyChoicesFirst(const FaultContext& context, std::vector<Piece>* events) {
  events->insert(events->begin(), {.bytes = EmptyChoicesChunk(context.answer, true)});
}

// Before [DONE], whether or not a usage chunk is there already.
void EmptyChoicesLast(const FaultContext& context, std::vector<Piece>* events) {
  auto done = std::find_if(events->begin(), events->end(),
                           [](const Piece& event) { return event.kind == PieceKind::kDone; });
  events->insert(done, {.bytes = EmptyChoicesChunk(context.answer, false)});
}

void EmptyChoicesBoth(const FaultContext& context, std::vector<Piece>* events) {
  EmptyChoicesFirst(context, events);
  EmptyChoicesLast(context, events);
}

using Style = SseStyle::Newline;

const FaultRow kFaults[] = {
    {"1", "every byte in its own chunk and send()", nullptr, nullptr, SplitEveryByte},
    {"2", "CRLF, LF and CR in turn", UseNewline<Style::kMixed>, nullptr, nullptr},
    {"2crlf", "CRLF", UseNewline<Style::kCrLf>, nullptr, nullptr},
    {"2cr", "bare CR", UseNewline<Style::kCr>, nullptr, nullptr},
    {"2mixed", "CRLF, LF and CR in turn", UseNewline<Style::kMixed>, nullptr, nullptr},
    {"2split", "CRLF, cut between CR and LF", UseNewline<Style::kCrLf>, nullptr, SplitAfterCr},
    {"3", "no space after data:", UseSpaces<0>, nullptr, nullptr},
    {"3two", "two spaces after data:", UseSpaces<2>, nullptr, nullptr},
    {"4", "each event over several data lines", UseManyLines, nullptr, nullptr},
    {"5", "comment pings", nullptr, nullptr, AddPings},
    {"9", "events of unknown names between the real ones", nullptr, AddForeignEvents, nullptr},
    {"9named", "an unknown event name on the real ones", nullptr, NameEvents, nullptr},
    {"17", "no [DONE], finish_reason seen", nullptr, DropDone, MarkFaulty},
    {"18", "neither [DONE] nor finish_reason", nullptr, DropFinishAndDone, MarkFaulty},
    {"19", "RST after content", nullptr, nullptr, ResetAfterContent},
    {"19a", "RST before content", nullptr, nullptr, ResetBeforeContent},
    {"19b", "RST after content", nullptr, nullptr, ResetAfterContent},
    {"20", "chunked body without its last chunk", nullptr, nullptr, EndWithoutLastChunk},
    {"20a", "chunked body without its last chunk", nullptr, nullptr, EndWithoutLastChunk},
    {"20b", "cut body that ends with the connection", nullptr, nullptr, EndOfConnection},
    {"20c", "FIN before Content-Length is reached", nullptr, nullptr, EndBeforeLength},
    {"21", "stall before the header", nullptr, nullptr, StallBeforeHead},
    {"21a", "stall before the header", nullptr, nullptr, StallBeforeHead},
    {"21b", "stall after the header", nullptr, nullptr, StallBeforeBody},
    {"21c", "stall after content", nullptr, nullptr, StallAfterContent},
    {"22", "one byte per trickle_ms", nullptr, nullptr, Trickle},
    {"23goaway", "GOAWAY before the answer", nullptr, nullptr, GoAwayBeforeAnswer},
    {"23goawaylate", "GOAWAY after content", nullptr, nullptr,
     EndStreamAfterContent<Ending::kGoAway>},
    {"23refused", "REFUSED_STREAM before the answer", nullptr, nullptr, RefuseStream},
    {"23refusedlate", "REFUSED_STREAM after content", nullptr, nullptr,
     EndStreamAfterContent<Ending::kStreamRefused>},
    {"23error", "INTERNAL_ERROR before content", nullptr, nullptr, StreamErrorBeforeContent},
    {"23errorlate", "INTERNAL_ERROR after content", nullptr, nullptr,
     EndStreamAfterContent<Ending::kStreamError>},
    {"23stopped", "reset with NO_ERROR after content", nullptr, nullptr,
     EndStreamAfterContent<Ending::kStreamStopped>},
    {"26", "200, then an error event first", nullptr, ErrorFirst, ErrorUnder200},
    {"26a", "200, then an error event first", nullptr, ErrorFirst, ErrorUnder200},
    {"26b", "an error event after content", nullptr, ErrorAfterContent, ErrorUnder200},
    {"27", "200 with an error as JSON", nullptr, nullptr, JsonError},
    {"30", "200 with an empty body", nullptr, DropAll, EmptyBody},
    {"30b", "200 with zero events", nullptr, DropAll, NoEvents},
    {"30c", "200 with [DONE] only", nullptr, OnlyDone, NoEvents},
    {"31", "502 with a CDN's HTML", nullptr, nullptr, CdnPage},
    {"31b", "200 with a login page", nullptr, nullptr, LoginPage},
    {"31c", "403 with a WAF's HTML", nullptr, nullptr, WafPage},
    {"37", "empty choices first and last", nullptr, EmptyChoicesBoth, nullptr},
    {"37first", "empty choices first", nullptr, EmptyChoicesFirst, nullptr},
    {"37last", "empty choices last", nullptr, EmptyChoicesLast, nullptr},
    {"38", "usage null, then real", UseUsage<UsageShape::kNullThenReal>, nullptr, nullptr},
    {"39", "no usage at all", UseUsage<UsageShape::kNone>, nullptr, nullptr},
    {"40", "usage 0/0", UseUsage<UsageShape::kZero>, nullptr, nullptr},
    {"41", "prompt 0 but completion > 0", UseUsage<UsageShape::kPromptZero>, nullptr, nullptr},
    {"42", "cumulative usage on each chunk", UseUsage<UsageShape::kEveryChunk>, nullptr, nullptr},
    {"42b", "absurd usage", UseUsage<UsageShape::kDoubtful>, nullptr, nullptr},
    {"59", "the connection is closed without an answer", nullptr, nullptr, CloseBeforeAnswer},
};

// These, then those of the other files.
const std::vector<const FaultRow*>& AllFaults() {
  static const std::vector<const FaultRow*> all = [] {
    std::vector<const FaultRow*> rows;
    for (const FaultRow& row : kFaults) rows.push_back(&row);
    for (const auto more : {PayloadFaults(), ContentFaults(), RefusalFaults()}) {
      for (const FaultRow& row : more) rows.push_back(&row);
    }
    return rows;
  }();
  return all;
}

}  // namespace

const FaultRow* FindFault(std::string_view name) {
  for (const FaultRow* row : AllFaults()) {
    if (row->name == name) return row;
  }
  return nullptr;
}

std::string FaultHelp() {
  std::string help = "Faults (knob fault=<name>):\n";
  for (const FaultRow* row : AllFaults()) {
    base::StrAppend(&help, "  ", row->name,
                    std::string(row->name.size() < 9 ? 9 - row->name.size() : 1, ' '), row->title,
                    "\n");
  }
  return help;
}

}  // namespace pingti::upstream
