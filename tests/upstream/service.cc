#include "tests/upstream/service.h"

#include <time.h>

#include <algorithm>
#include <cctype>
#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "server/base/strings.h"
#include "tests/upstream/answer.h"
#include "tests/upstream/chat_json.h"
#include "tests/upstream/clock.h"
#include "tests/upstream/errors.h"
#include "tests/upstream/faults.h"
#include "tests/upstream/sse.h"

namespace pingti::upstream {
namespace {

constexpr std::string_view kChatPath = "/v1/chat/completions";
constexpr std::string_view kMarker = "[sim:";
constexpr std::string_view kModelMarker = "+sim:";
constexpr size_t kRequestsShownMax = 10'000;
constexpr int kCannedPromptTokens = 16;

Reply JsonReply(int status, std::string json) {
  Reply reply;
  reply.status = status;
  reply.body.push_back({.kind = PieceKind::kBody, .bytes = std::move(json), .raw = true});
  return reply;
}

// An error of this program's own making, told apart from simulated ones by its type.
Reply Misuse(int status, std::string_view what) {
  return JsonReply(status, ErrorBody(what, "simulated_misuse", "", ""));
}

std::string_view ApiKey(const HttpRequest& request) {
  std::string_view value = request.header("authorization");
  constexpr std::string_view kBearer = "bearer ";
  if (absl::StartsWithIgnoreCase(base::AbslView(value), base::AbslView(kBearer))) {
    value.remove_prefix(kBearer.size());
  }
  return value;
}

std::string_view Tail(std::string_view key) {
  return key.size() < 8 ? std::string_view() : key.substr(key.size() - 4);
}

// True if the body has the key `name` with the value true; good enough for what load generators
// and gateways write, without building a document.
bool HasTrueFlag(std::string_view body, std::string_view name) {
  size_t at = body.find(name);
  if (at == std::string_view::npos) return false;
  at += name.size();
  while (at < body.size() && (body[at] == ' ' || body[at] == ':')) ++at;
  return body.substr(at, 4) == "true";
}

// What OpenAI counts a request as before it runs: the larger of its text and its limit.
int64_t PreCount(const ChatRequest& chat) {
  return std::max(std::max<int64_t>(1, TokensOf(chat.prompt_bytes)), chat.max_tokens.value_or(0));
}

void AddRetryAfter(const Knobs& knobs, Reply* reply) {
  if (!knobs.retry_after.empty()) reply->headers.emplace_back("retry-after", knobs.retry_after);
  if (!knobs.retry_after_ms.empty()) {
    reply->headers.emplace_back("retry-after-ms", knobs.retry_after_ms);
  }
}

// The body, or the lines of the stream, of an ordinary answer with its fault.
void FillReply(const Answer& answer, const ChatRequest& chat, Knobs knobs, Reply* reply) {
  const FaultRow* fault = knobs.fault.empty() ? nullptr : FindFault(knobs.fault);
  SseStyle style;
  if (fault != nullptr && fault->prepare != nullptr) fault->prepare(&knobs, &style);
  FaultContext context{.answer = answer, .knobs = knobs};
  reply->stream = chat.stream;
  if (chat.stream) {
    reply->content_type = "text/event-stream; charset=utf-8";
    reply->headers.emplace_back("cache-control", "no-cache");
    reply->framing = Framing::kChunked;
    reply->body = StreamEvents(answer, knobs, chat.include_usage);
    if (fault != nullptr && fault->edit_events != nullptr) {
      fault->edit_events(context, &reply->body);
    }
    for (Piece& piece : reply->body) RenderSse(style, &piece);
  } else {
    Piece body{.kind = PieceKind::kBody, .raw = true};
    body.bytes = CompletionJson(answer, knobs.usage_shape.value_or(UsageShape::kOpenAi));
    for (const Choice& choice : answer.choices) {
      body.content_bytes += static_cast<uint32_t>(choice.reasoning.size() + choice.text.size());
    }
    body.delay_ns = NsFromMs(knobs.first_token_ms);
    reply->body.push_back(std::move(body));
  }
  if (fault != nullptr) {
    reply->headers.emplace_back("x-sim-fault", fault->name);
    if (fault->edit_reply != nullptr) fault->edit_reply(context, reply);
  }
}

void LogRequest(const RequestRecord& record) {
  std::printf("chat %lld %s\n", static_cast<long long>(record.arrival_ns), record.user.c_str());
  std::fflush(stdout);
}

}  // namespace

Service::Service(World& world, int loop) : world_(world), ledger_(world.ledger(loop)) {}

void Service::Refresh() {
  uint64_t generation = world_.generation();
  if (generation == generation_) return;
  generation_ = generation;
  defaults_ = world_.defaults();
  fast_scripts_ = {};
  canned_.clear();
  fast_canned_ = defaults_.canned && defaults_.rpm == 0 && defaults_.tpm == 0 &&
                 defaults_.fail_times == 0 && defaults_.status.empty() && defaults_.fault.empty() &&
                 !world_.checks_keys();
}

Exchange Service::Handle(const HttpRequest& request, int64_t now_ns) {
  Refresh();
  if (request.target == kChatPath && request.method == "POST") return HandleChat(request, now_ns);
  return HandleOther(request);
}

Exchange Service::HandleChat(const HttpRequest& request, int64_t now_ns) {
  Exchange exchange{.booked = true};
  exchange.script = FastCanned(request);
  if (exchange.script != nullptr) {
    exchange.ticket = ledger_.BeginCanned(world_.NextId(), Tail(ApiKey(request)), request.body,
                                          exchange.script->stream, request.protocol, now_ns);
  } else {
    RequestRecord record{.id = world_.NextId(), .arrival_ns = now_ns};
    record.protocol = request.protocol;
    record.key_tail = Tail(ApiKey(request));
    record.body = request.body.substr(0, kRecordedBodyBytesMax);
    exchange.script = Respond(request, &record, now_ns);
    if (world_.logs_requests()) LogRequest(record);
    record.status = exchange.script->status;
    exchange.ticket = ledger_.Begin(std::move(record));
  }
  ledger_.Count(exchange.script->status, exchange.script->stream, exchange.script->prompt_tokens);
  return exchange;
}

std::shared_ptr<const Script> Service::FastCanned(const HttpRequest& request) {
  if (!fast_canned_ || request.has_knobs || !request.keep_alive) return nullptr;
  if (request.body.find("sim:") != std::string_view::npos) return nullptr;
  bool stream = HasTrueFlag(request.body, "\"stream\"");
  bool usage = stream && HasTrueFlag(request.body, "\"include_usage\"");
  bool http2 = request.protocol == Protocol::kHttp2;
  std::shared_ptr<const Script>& script =
      fast_scripts_[(http2 ? 4 : 0) + (stream ? 2 : 0) + (usage ? 1 : 0)];
  if (script == nullptr) script = Canned(defaults_, stream, usage, request.protocol);
  return script;
}

std::shared_ptr<const Script> Service::Canned(const Knobs& knobs, bool stream, bool include_usage,
                                              Protocol protocol) {
  std::string key = base::StrCat(KnobsKey(knobs), stream ? 1 : 0, include_usage ? 1 : 0,
                                 protocol == Protocol::kHttp2 ? 1 : 0);
  if (canned_.size() >= kCannedMax) canned_.clear();
  std::shared_ptr<const Script>& script = canned_[key];
  if (script == nullptr) {
    ChatRequest chat;
    chat.model = "simulated-canned";
    chat.last_user_text = "canned";
    chat.prompt_bytes = kCannedPromptTokens * 4;
    chat.stream = stream;
    chat.include_usage = include_usage;
    script = Answered(chat, knobs, Reply(), {protocol, /*close=*/false, /*canned=*/true}, 0);
  }
  return script;
}

std::shared_ptr<const Script> Service::Respond(const HttpRequest& request, RequestRecord* record,
                                               int64_t now_ns) {
  bool close = !request.keep_alive;
  absl::StatusOr<ChatRequest> chat = parser_.Parse(request.body);
  if (!chat.ok()) {
    std::string body = ErrorBody({chat.status().message().data(), chat.status().message().size()},
                                 "invalid_request_error", "", "");
    return BuildScript(JsonReply(400, std::move(body)), 0, close, request.protocol);
  }
  record->model = chat->model;
  record->user = chat->user;
  record->stream = chat->stream;
  record->prompt_hash = PromptHash(chat->last_user_text);
  absl::StatusOr<Knobs> knobs = KnobsOf(request, *chat);
  if (!knobs.ok()) {
    absl::string_view what = knobs.status().message();
    return BuildScript(Misuse(400, {what.data(), what.size()}), 0, close, request.protocol);
  }
  Reply frame;
  frame.head_delay_ns = NsFromMs(knobs->latency_ms);
  if (Refuse(request, *chat, &*knobs, now_ns, &frame)) {
    record->fault = knobs->status;
    return BuildScript(frame, knobs->segment_bytes, close, request.protocol);
  }
  record->fault = knobs->fault;
  if (knobs->canned && !close && frame.headers.empty()) {
    return Canned(*knobs, chat->stream, chat->include_usage, request.protocol);
  }
  return Answered(*chat, *knobs, frame, {request.protocol, close, /*canned=*/false}, record->id);
}

std::shared_ptr<const Script> Service::Answered(const ChatRequest& chat, const Knobs& knobs,
                                                const Reply& frame, const Form& form, uint64_t id) {
  Answer answer = ComposeAnswer(chat, knobs);
  answer.id =
      form.canned ? "chatcmpl-simulated-canned" : absl::StrFormat("chatcmpl-simulated-%08x", id);
  answer.created = form.canned ? 1'700'000'000 : static_cast<int64_t>(time(nullptr));
  Reply reply = frame;
  reply.head_delay_ns = NsFromMs(knobs.latency_ms);
  reply.prompt_tokens = answer.prompt_tokens;
  reply.completion_tokens = answer.completion_tokens;
  if (!form.canned) {
    uint64_t seed = PromptHash(answer.id);
    reply.headers.emplace_back("x-request-id", absl::StrFormat("req_%016x%016x", seed, ~seed));
    reply.headers.emplace_back("openai-organization", "org-simulated");
    reply.headers.emplace_back("openai-processing-ms", "0");
    reply.headers.emplace_back("openai-version", "2020-10-01");
  }
  FillReply(answer, chat, knobs, &reply);
  if (NeedsHttp2(reply.ending) && form.protocol != Protocol::kHttp2) {
    return BuildScript(Misuse(400, "this fault needs HTTP/2"), 0, form.close, form.protocol);
  }
  return BuildScript(reply, knobs.segment_bytes, form.close, form.protocol);
}

bool Service::Refuse(const HttpRequest& request, const ChatRequest& chat, Knobs* knobs,
                     int64_t now_ns, Reply* frame) {
  auto refuse = [&](int status, std::string body) {
    Reply refusal = JsonReply(status, std::move(body));
    refusal.head_delay_ns = frame->head_delay_ns;
    refusal.headers = std::move(frame->headers);
    *frame = std::move(refusal);
  };
  if (!world_.KeyIsGood(ApiKey(request))) {
    refuse(401, ErrorBody(*FindError("401"), chat.model));
    return true;
  }
  bool may_fail = !knobs->fault.empty() || !knobs->status.empty();
  if (may_fail && knobs->fail_times > 0 && !world_.FailsStill(knobs->key, knobs->fail_times)) {
    knobs->fault.clear();
    knobs->status.clear();
  }
  if (may_fail && knobs->fail_every > 1 && !world_.IsNth(knobs->fail_every)) {
    knobs->fault.clear();
    knobs->status.clear();
  }
  if (!knobs->status.empty()) {
    const ErrorRow& error = *FindError(knobs->status);
    refuse(error.status, ErrorBody(error, chat.model));
    AddRetryAfter(*knobs, frame);
    return true;
  }
  if (knobs->rpm == 0 && knobs->tpm == 0) return false;
  LimitVerdict verdict =
      world_.limiter().Take(ApiKey(request), knobs->rpm, knobs->tpm, PreCount(chat), now_ns);
  frame->headers = verdict.headers;
  if (verdict.admitted) return false;
  refuse(429,
         ErrorBody(RefusalMessage(verdict, chat.model), verdict.type, "rate_limit_exceeded", ""));
  if (!verdict.too_large) {
    frame->headers.emplace_back("retry-after", std::to_string((verdict.wait_ms + 999) / 1000));
    frame->headers.emplace_back("retry-after-ms", std::to_string(verdict.wait_ms));
  }
  return true;
}

absl::StatusOr<Knobs> Service::KnobsOf(const HttpRequest& request, const ChatRequest& chat) {
  Knobs knobs = defaults_;
  if (size_t at = chat.model.find(kModelMarker); at != std::string::npos) {
    std::string_view list = std::string_view(chat.model).substr(at + kModelMarker.size());
    if (absl::Status status = SetKnobList(list, &knobs); !status.ok()) return status;
  }
  if (size_t at = chat.last_user_text.find(kMarker); at != std::string::npos) {
    std::string_view list = std::string_view(chat.last_user_text).substr(at + kMarker.size());
    size_t end = list.find(']');
    if (end == std::string_view::npos) return absl::InvalidArgumentError("[sim: without ]");
    if (absl::Status status = SetKnobList(list.substr(0, end), &knobs); !status.ok()) {
      return status;
    }
  }
  if (request.has_knobs) {
    constexpr std::string_view kPrefix = "x-sim-";
    for (const auto& [name, value] : request.headers) {
      if (!absl::StartsWithIgnoreCase(base::AbslView(name), base::AbslView(kPrefix))) continue;
      absl::Status status = SetKnob(name.substr(kPrefix.size()), value, &knobs);
      if (!status.ok()) return status;
    }
  }
  if (absl::Status status = CheckKnobs(knobs, chat.n); !status.ok()) return status;
  return knobs;
}

Exchange Service::HandleOther(const HttpRequest& request) {
  std::string_view path = request.target.substr(0, request.target.find('?'));
  std::string_view method = request.method;
  Reply reply;
  if (path == "/healthz" && method == "GET") {
    reply = JsonReply(200, R"({"status":"ok","simulated":true})");
  } else if (path == "/v1/models" && method == "GET") {
    reply = JsonReply(200, ModelsJson());
  } else if (path == "/sim/stats" && method == "GET") {
    reply = JsonReply(200, world_.StatsJson());
  } else if (path == "/sim/requests" && method == "GET") {
    size_t last = kRequestsShownMax;
    size_t at = request.target.find("last=");
    if (at != std::string_view::npos &&
        !absl::SimpleAtoi(base::AbslView(request.target.substr(at + 5)), &last)) {
      reply = Misuse(400, "last= must be a number");
    } else {
      reply = JsonReply(200, world_.RequestsJson(std::min(last, kRequestsShownMax)));
    }
  } else if (path == "/sim/reset" && method == "POST") {
    world_.Reset();
    reply = JsonReply(200, R"({"reset":true})");
  } else if (path == "/sim/defaults" && method == "POST") {
    absl::Status status = world_.SetDefaults(request.body);
    reply = status.ok() ? JsonReply(200, R"({"defaults":"set"})")
                        : Misuse(400, {status.message().data(), status.message().size()});
  } else if (path == "/sim/defaults" && method == "DELETE") {
    world_.ClearDefaults();
    reply = JsonReply(200, R"({"defaults":"cleared"})");
  } else {
    reply = JsonReply(404, ErrorBody(base::StrCat("Invalid URL (", method, " ", path, ")"),
                                     "invalid_request_error", "", ""));
  }
  return {.script = BuildScript(reply, 0, !request.keep_alive, request.protocol)};
}

std::shared_ptr<const Script> Service::BadRequest(int status) {
  return BuildScript(Misuse(status, "not an HTTP/1.1 request within this server's limits"), 0,
                     /*close=*/true, Protocol::kHttp1);
}

void Service::End(const Exchange& exchange, Ended ended, int64_t now_ns, int64_t disconnect_ns,
                  int64_t content_bytes, int64_t chunks) {
  const Script& script = *exchange.script;
  Outcome outcome{.ended = ended, .stream = script.stream, .now_ns = now_ns};
  outcome.disconnect_ns = disconnect_ns;
  outcome.completion_tokens =
      ended == Ended::kCompleted ? script.completion_tokens : TokensOf(content_bytes);
  ledger_.End(exchange.ticket, chunks, outcome);
}

}  // namespace pingti::upstream
