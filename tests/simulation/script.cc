#include "tests/simulation/script.h"

#include <algorithm>
#include <array>
#include <utility>

#include "server/base/strings.h"

namespace pingti::simulation {
namespace {

using model::FailureClass;
using transport::TransportError;

// A character, and the ways to write it in JSON.
struct Spelling {
  std::string_view meant;
  std::vector<std::string_view> written;
};
const std::vector<Spelling> kSpellings = {
    {"a", {"a", "\\u0061"}},
    {" ", {" "}},
    {"é", {"é", "\\u00e9"}},
    {"\n", {"\\n", "\\u000a"}},
    {"\"", {"\\\"", "\\u0022"}},
    {"\\", {"\\\\"}},
    {"日本", {"日本", "\\u65e5\\u672c"}},
    {"😀", {"😀", "\\ud83d\\ude00"}},
    {"data: ", {"data: "}},
    {"}]}", {"}]}"}},
};

std::string ErrorJson(std::string_view code, std::string_view type) {
  return base::StrCat(R"({"error":{"message":"no","code":")", code, R"(","type":")", type,
                      R"("}})");
}

// A piece of text, as it is meant and as it is written.
struct Piece {
  std::string meant;
  std::string written;
};
Piece RandomPiece(SeededRandom& random, std::string_view head) {
  Piece piece{std::string(head), std::string(head)};
  for (int64_t left = random.Below(6); left > 0; --left) {
    const Spelling& spelling = random.Pick(kSpellings);
    piece.meant += spelling.meant;
    piece.written += random.Pick(spelling.written);
  }
  return piece;
}

std::string UsageJson(const Script& script) {
  return base::StrCat(R"("usage":{"prompt_tokens":)", script.input_tokens,
                      R"(,"completion_tokens":)", script.output_tokens, R"(,"total_tokens":)",
                      script.input_tokens + script.output_tokens, "}");
}

// The body of a stream under way.
class StreamWriter {
 public:
  StreamWriter(SeededRandom& random, Script& script)
      : random_(random), script_(script), crlf_(random.Chance(25)) {
    space_ = random.Chance(80) ? " " : "";
  }

  void Comment() { body_ += crlf_ ? ": ping\r\n\r\n" : ": ping\n\n"; }
  Mark& Event(std::string_view data) {
    if (random_.Chance(10)) Comment();
    base::StrAppend(&body_, "data:", space_, data);
    Mark mark = script_.marks.empty() ? Mark() : script_.marks.back();
    mark.content = false;
    mark.whole_at = body_.size();
    body_ += crlf_ ? "\r\n\r\n" : "\n\n";
    mark.seen_at = mark.whole_at + (crlf_ ? 3 : 2);
    script_.marks.push_back(std::move(mark));
    return script_.marks.back();
  }
  void Delta(std::string_view field, const Piece& piece) {
    Mark& mark = Event(base::StrCat(R"({"id":"c","model":"up","choices":[{"index":0,"delta":{")",
                                    field, R"(":")", piece.written, R"("}}]})"));
    mark.content = true;
    (field == "content" ? mark.text : mark.reasoning) += piece.meant;
  }
  void Role() { Event(R"({"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]})"); }
  void Finish() {
    Mark& mark = Event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})");
    mark.content = mark.finish = true;
  }
  void Usage() { Event(base::StrCat(R"({"choices":[],)", UsageJson(script_), "}")).usage = true; }
  void Done() { Event("[DONE]").done = true; }

  const std::string& body() const { return body_; }

 private:
  SeededRandom& random_;
  Script& script_;
  const bool crlf_;
  std::string_view space_;
  std::string body_;
};

void Append(Script& script, Step step) { script.steps.push_back(std::move(step)); }

void Connect(SeededRandom& random, Script& script) {
  Append(script, {.after = random.Between(absl::Milliseconds(1), absl::Milliseconds(80)),
                  .kind = Step::Kind::kConnect});
}

// `body` in up to `cuts` + 1 pieces, with a pause of up to `pause` before each.
void Bytes(SeededRandom& random, Script& script, const std::string& body, int64_t cuts,
           absl::Duration pause) {
  std::vector<size_t> ends;
  for (int64_t i = 0; i < cuts; ++i) {
    ends.push_back(static_cast<size_t>(random.Below(static_cast<int64_t>(body.size()) + 1)));
  }
  ends.push_back(body.size());
  std::sort(ends.begin(), ends.end());
  size_t from = 0;
  for (const size_t end : ends) {
    if (end == from) continue;
    Append(script, {.after = random.Between(absl::ZeroDuration(), pause),
                    .kind = Step::Kind::kBody,
                    .bytes = body.substr(from, end - from)});
    from = end;
  }
}

void End(SeededRandom& random, Script& script, absl::Duration most) {
  Append(script, {.after = random.Between(absl::ZeroDuration(), most), .kind = Step::Kind::kEnd});
}

void Break(SeededRandom& random, Script& script, TransportError error, FailureClass failure) {
  script.failure = failure;
  Append(script, {.after = random.Between(absl::ZeroDuration(), absl::Milliseconds(300)),
                  .kind = Step::Kind::kError,
                  .error = error});
}

void Refuse(SeededRandom& random, Script& script, int status, std::string_view json,
            FailureClass failure) {
  Connect(random, script);
  script.failure = failure;
  std::map<std::string, std::string> headers = {{"content-type", "application/json"}};
  const bool may_ask =
      failure == FailureClass::kRateLimited || failure == FailureClass::kOverloaded;
  if (may_ask && random.Chance(60)) {
    script.retry_after = absl::Milliseconds(random.Between(0, 8'000));
    headers["retry-after-ms"] = base::StrCat(absl::ToInt64Milliseconds(*script.retry_after));
  }
  Append(script, {.after = random.Between(absl::Milliseconds(5), absl::Milliseconds(500)),
                  .kind = Step::Kind::kHeader,
                  .status = status,
                  .headers = std::move(headers)});
  Bytes(random, script, std::string(json), random.Below(2), absl::Milliseconds(20));
  End(random, script, absl::Milliseconds(20));
}

// True: the fault comes before an answer begins.
bool RefusesAtOnce(SeededRandom& random, Script& script) {
  switch (script.fault) {
    case Fault::kConnect:
      Break(random, script,
            random.Chance(50) ? TransportError::kConnect : TransportError::kConnectTimeout,
            FailureClass::kConnect);
      return true;
    case Fault::kHostUnknown:
      Break(random, script, TransportError::kHostUnknown, FailureClass::kHostUnknown);
      return true;
    case Fault::kRateLimited:
      Refuse(random, script, 429, ErrorJson("rate_limit_exceeded", "requests"),
             FailureClass::kRateLimited);
      return true;
    case Fault::kBadKey:
      Refuse(random, script, 401, ErrorJson("invalid_api_key", "invalid_request_error"),
             FailureClass::kBadKey);
      return true;
    case Fault::kRegionBlocked:
      Refuse(random, script, 403,
             ErrorJson("unsupported_country_region_territory", "request_forbidden"),
             FailureClass::kRegionBlocked);
      return true;
    case Fault::kBadRequest:
      Refuse(random, script, 400, ErrorJson("", "invalid_request_error"),
             FailureClass::kBadRequest);
      return true;
    case Fault::kModelNotFound:
      Refuse(random, script, 404, ErrorJson("model_not_found", "invalid_request_error"),
             FailureClass::kModelNotFound);
      return true;
    case Fault::kServerError:
      Refuse(random, script, 500, ErrorJson("", "server_error"), FailureClass::kServerError);
      return true;
    case Fault::kOverloaded:
      Refuse(random, script, random.Chance(50) ? 503 : 529, "", FailureClass::kOverloaded);
      return true;
    default:
      return false;
  }
}

void BadEvent(SeededRandom& random, Script& script, StreamWriter& writer) {
  if (script.fault == Fault::kMalformed) {
    writer.Event(R"({"choices":[{"index":)");
    script.failure = FailureClass::kMalformed;
  } else if (random.Chance(50)) {
    writer.Event(ErrorJson("overloaded_error", ""));
    script.failure = FailureClass::kOverloaded;
  } else {
    writer.Event(ErrorJson("", "server_error"));
    script.failure = FailureClass::kServerError;
  }
}

// The events up to where the fault is; false: nothing comes after them.
bool WriteEvents(SeededRandom& random, Script& script, StreamWriter& writer, int number) {
  const bool bad_first = script.fault == Fault::kErrorFirst ||
                         (script.fault == Fault::kMalformed && random.Chance(50));
  const bool bad_later =
      script.fault == Fault::kErrorLater || (script.fault == Fault::kMalformed && !bad_first);
  if (random.Chance(70)) writer.Role();
  if (script.fault == Fault::kStall) {
    if (random.Chance(50)) writer.Comment();
    return false;
  }
  if (bad_first) {
    BadEvent(random, script, writer);
    return false;
  }
  const bool reasons = random.Chance(15);
  const int64_t pieces = random.Between(1, 8);
  const int64_t stops_after = random.Below(pieces) + 1;
  for (int64_t i = 0; i < pieces; ++i) {
    const std::string_view field = reasons && i * 2 < pieces ? "reasoning_content" : "content";
    writer.Delta(field, RandomPiece(random, base::StrCat("x", number, ".", i, " ")));
    if (i + 1 != stops_after) continue;
    if (script.fault == Fault::kStallLater) return false;
    if (!bad_later) continue;
    BadEvent(random, script, writer);
    return false;
  }
  writer.Finish();
  if (script.reports_usage) writer.Usage();
  if (random.Chance(80)) writer.Done();
  return true;
}

void MakeStream(SeededRandom& random, Script& script, int number) {
  Connect(random, script);
  Append(script, {.after = random.Between(absl::Milliseconds(1), absl::Seconds(1)),
                  .kind = Step::Kind::kHeader,
                  .status = 200,
                  .headers = {{"content-type", "text/event-stream"}}});
  StreamWriter writer(random, script);
  const bool goes_on = WriteEvents(random, script, writer, number);
  std::string body = writer.body();
  if (!script.marks.empty()) {
    script.text = script.marks.back().text;
    script.reasoning = script.marks.back().reasoning;
  }
  const bool slow = script.fault == Fault::kTrickle;
  if (script.fault == Fault::kCut || script.fault == Fault::kTooLarge) {
    body.resize(static_cast<size_t>(random.Below(static_cast<int64_t>(body.size()))));
  }
  Bytes(random, script, body, random.Below(slow ? 30 : 8),
        slow ? absl::Milliseconds(1'500) : absl::Milliseconds(200));
  if (script.fault == Fault::kCut) {
    script.failure = FailureClass::kCut;
    if (random.Chance(70)) {
      Break(random, script, TransportError::kCut, FailureClass::kCut);
    } else {
      End(random, script, absl::Milliseconds(100));
    }
  } else if (script.fault == Fault::kTooLarge) {
    Break(random, script, TransportError::kTooLarge, FailureClass::kAnswerTooLarge);
  } else if (goes_on && !random.Chance(5)) {
    End(random, script, absl::Milliseconds(400));  // some linger longer than a call waits for them
  }
}

void MakeWhole(SeededRandom& random, Script& script, int number) {
  Connect(random, script);
  Piece piece = RandomPiece(random, base::StrCat("x", number, " "));
  script.text = piece.meant;
  std::string body =
      base::StrCat(R"({"id":"c","model":"up","choices":[{"index":0,"message":{"role":"assistant",)",
                   R"("content":")", piece.written, R"("},"finish_reason":"stop"}])",
                   script.reports_usage ? "," + UsageJson(script) : "", "}");
  const bool bad = script.fault == Fault::kMalformed;
  if (bad) body.resize(body.size() / 2);
  const bool slow = script.fault == Fault::kTrickle;
  Append(script, {.after = random.Between(absl::Milliseconds(10), absl::Seconds(2)),
                  .kind = Step::Kind::kHeader,
                  .status = 200,
                  .headers = {{"content-type", "application/json"}}});
  switch (script.fault) {
    case Fault::kStall:
    case Fault::kStallLater:
      return;
    case Fault::kCut:
      body.resize(static_cast<size_t>(random.Below(static_cast<int64_t>(body.size()))));
      Bytes(random, script, body, random.Below(3), absl::Milliseconds(100));
      Break(random, script, TransportError::kCut, FailureClass::kCut);
      return;
    case Fault::kTooLarge:
      Bytes(random, script, body, random.Below(3), absl::Milliseconds(100));
      Break(random, script, TransportError::kTooLarge, FailureClass::kAnswerTooLarge);
      return;
    case Fault::kErrorFirst:
    case Fault::kErrorLater:
      body = ErrorJson("", "server_error");
      script.failure = FailureClass::kServerError;
      break;
    default:
      if (bad) script.failure = FailureClass::kMalformed;
      script.whole_sent = !bad;
  }
  Bytes(random, script, body, random.Below(slow ? 12 : 4),
        slow ? absl::Milliseconds(3'000) : absl::Milliseconds(100));
  End(random, script, absl::Milliseconds(50));
}

}  // namespace

std::string_view FaultName(Fault fault) {
  constexpr std::array<std::string_view, kFaultCount> kNames = {
      "none",        "connect",  "host_unknown", "rate_limited", "bad_key",   "region_blocked",
      "bad_request", "no_model", "server_error", "overloaded",   "malformed", "stall",
      "stall_later", "cut",      "error_first",  "error_later",  "trickle",   "too_large"};
  return kNames[static_cast<size_t>(fault)];
}

Progress Script::At(size_t bytes, bool ended) const {
  Progress progress;
  for (const Mark& mark : marks) {
    if ((ended ? mark.whole_at : mark.seen_at) > bytes) break;
    progress.content |= mark.content;
    progress.finish |= mark.finish;
    progress.usage |= mark.usage;
    progress.done |= mark.done;
    progress.text = mark.text;
    progress.reasoning = mark.reasoning;
  }
  return progress;
}

Script MakeScript(SeededRandom& random, Fault fault, bool stream, int number) {
  Script script;
  script.fault = fault;
  script.stream = stream;
  script.reports_usage = random.Chance(60);
  script.input_tokens = random.Between(1, 60);
  script.output_tokens = random.Between(1, 300);
  if (RefusesAtOnce(random, script)) return script;
  if (stream) {
    MakeStream(random, script, number);
  } else {
    MakeWhole(random, script, number);
  }
  return script;
}

}  // namespace pingti::simulation
