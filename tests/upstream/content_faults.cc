#include "tests/upstream/content_faults.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_replace.h"
#include "server/base/strings.h"

namespace pingti::upstream {
namespace {

// One entry of `tool_calls`. Texts are as they stand in JSON, escaped.
struct Fragment {
  std::optional<int> index;
  std::optional<std::string_view> id;
  std::string_view name;
  std::string_view arguments;
};

// What is said instead of the answer.
struct Said {
  std::vector<std::string_view> texts;  // each an event of a stream
  std::vector<Fragment> fragments;      // each an event of a stream
  std::vector<Fragment> calls;          // of an answer that is not streamed
  std::string_view finish_reason = "tool_calls";
};

constexpr std::string_view kPlace = R"({\"city\":\"Paris\"})";
constexpr std::string_view kPlaceBegin = R"({\"city\":)";
constexpr std::string_view kPlaceEnd = R"(\"Paris\"})";
constexpr std::string_view kZone = R"({\"zone\":\"CET\"})";
constexpr std::nullopt_t kNone = std::nullopt;

std::vector<Fragment> TwoCalls() {
  return {{0, "call_1", "weather", kPlace}, {1, "call_2", "clock", kZone}};
}

Said Filtered() { return {.texts = {"So far ", "so good"}, .finish_reason = "content_filter"}; }

Said WithoutIndex() {
  return {.fragments = {{kNone, "call_1", "weather", ""},
                        {kNone, kNone, "", kPlace},
                        {kNone, "call_2", "clock", ""},
                        {kNone, kNone, "", kZone}},
          .calls = {{kNone, "call_1", "weather", kPlace}, {kNone, "call_2", "clock", kZone}}};
}

Said SameIndex() {
  return {.fragments = {{0, "call_1", "weather", kPlaceBegin},
                        {0, kNone, "", kPlaceEnd},
                        {0, "call_2", "clock", ""},
                        {0, kNone, "", kZone}},
          .calls = {{0, "call_1", "weather", kPlace}, {0, "call_2", "clock", kZone}}};
}

Said RepeatedId() {
  return {.fragments = {{0, "call_1", "weather", kPlaceBegin},
                        {0, "call_1", "weather", kPlaceEnd},
                        {1, "call_2", "clock", ""},
                        {1, "call_2", "", kZone}},
          .calls = {{0, "call_1", "weather", kPlace}, {1, "call_1", "clock", kZone}}};
}

Said EmptyId() {
  return {.fragments = {{0, "call_1", "weather", kPlaceBegin},
                        {0, "", "", kPlaceEnd},
                        {1, "call_2", "clock", ""},
                        {1, "", "", kZone}},
          .calls = {{0, "", "weather", kPlace}, {1, "", "clock", kZone}}};
}

Said FinishedWithStop() {
  return {.fragments = TwoCalls(), .calls = TwoCalls(), .finish_reason = "stop"};
}

Said OneCall(std::string_view arguments, std::string_view finish_reason = "tool_calls") {
  const std::vector<Fragment> call = {{0, "call_1", "weather", arguments}};
  return {.fragments = call, .calls = call, .finish_reason = finish_reason};
}

Said NoJson() { return OneCall(R"({\"city\": Paris, }})"); }
Said CutJson() { return OneCall(R"({\"city\":\"Par)", "length"); }
Said NoArguments() { return OneCall(""); }

Said Surrogates() { return {.texts = {R"(a\ud83d)", R"(\ude00b)"}, .finish_reason = "stop"}; }

// Neither is the other's half: a letter is between them.
Said LoneSurrogates() {
  return {.texts = {R"(a\ud83d)", R"(b\ude00c)", R"(\ud83d)"}, .finish_reason = "stop"};
}

Said SurrogatesInArguments() {
  Said said = OneCall(R"({\"mood\":\"\ud83d\ude00\"})");
  said.fragments = {{0, "call_1", "weather", R"({\"mood\":\"\ud83d)"},
                    {0, kNone, "", R"(\ude00\"})"}};
  return said;
}

std::string JsonOf(const Fragment& fragment) {
  std::string json = "{";
  if (fragment.index) base::StrAppend(&json, R"("index":)", *fragment.index, ",");
  if (fragment.id) base::StrAppend(&json, R"("id":")", *fragment.id, R"(",)");
  base::StrAppend(&json, R"("type":"function","function":{)");
  if (!fragment.name.empty()) base::StrAppend(&json, R"("name":")", fragment.name, R"(",)");
  return base::StrCat(json, R"("arguments":")", fragment.arguments, R"("}})");
}

std::string ToolCalls(const std::vector<Fragment>& fragments) {
  std::string json = R"("tool_calls":[)";
  for (const Fragment& fragment : fragments) {
    base::StrAppend(&json, json.back() == '[' ? "" : ",", JsonOf(fragment));
  }
  return json + "]";
}

// A chunk or an answer, whose message or piece of one has these fields.
std::string Wrapped(const FaultContext& context, std::string_view object, std::string_view key,
                    std::string_view fields, std::string_view end) {
  return base::StrCat(R"({"id":")", context.answer.id, R"(","object":")", object,
                      R"(","created":1,"model":"simulated","choices":[{"index":0,")", key, "\":{",
                      fields, R"(},"finish_reason":)", end);
}

template <Said (*kSaid)()>
void SayInEvents(const FaultContext& context, std::vector<Piece>* events) {
  const Said said = kSaid();
  std::vector<Piece> pieces;
  auto add = [&](std::string_view fields) {
    Piece piece{.kind = PieceKind::kContent};
    piece.bytes = Wrapped(context, "chat.completion.chunk", "delta", fields, "null}]}");
    piece.content_bytes = static_cast<uint32_t>(fields.size());
    pieces.push_back(std::move(piece));
  };
  for (const std::string_view text : said.texts) add(base::StrCat(R"("content":")", text, "\""));
  for (const Fragment& fragment : said.fragments) add(ToolCalls({fragment}));
  std::erase_if(*events, [](const Piece& event) { return event.kind == PieceKind::kContent; });
  const auto finish = std::find_if(events->begin(), events->end(), [](const Piece& event) {
    return event.kind == PieceKind::kFinish;
  });
  if (finish == events->end()) return;
  absl::StrReplaceAll({{R"("finish_reason":"stop")",
                        base::StrCat(R"("finish_reason":")", said.finish_reason, "\"")}},
                      &finish->bytes);
  events->insert(finish, std::make_move_iterator(pieces.begin()),
                 std::make_move_iterator(pieces.end()));
}

template <Said (*kSaid)()>
void SayInAnswer(const FaultContext& context, Reply* reply) {
  if (reply->stream) return;
  const Said said = kSaid();
  std::string text;
  for (const std::string_view part : said.texts) text += part;
  const std::string fields = said.calls.empty()
                                 ? base::StrCat(R"("role":"assistant","content":")", text, "\"")
                                 : R"("role":"assistant","content":null,)" + ToolCalls(said.calls);
  const Answer& answer = context.answer;
  const std::string end =
      base::StrCat("\"", said.finish_reason, R"("}],"usage":{"prompt_tokens":)",
                   answer.prompt_tokens, R"(,"completion_tokens":)", answer.completion_tokens,
                   R"(,"total_tokens":)", answer.prompt_tokens + answer.completion_tokens, "}}");
  reply->body = {{.kind = PieceKind::kBody, .raw = true}};
  reply->body[0].bytes = Wrapped(context, "chat.completion", "message", fields, end);
  reply->body[0].content_bytes = static_cast<uint32_t>(fields.size());
}

template <Said (*kSaid)()>
constexpr FaultRow Row(std::string_view name, std::string_view title) {
  return {name, title, nullptr, SayInEvents<kSaid>, SayInAnswer<kSaid>};
}

const FaultRow kContentFaults[] = {
    Row<Filtered>("45", "the content filter ends the answer in the middle"),
    Row<WithoutIndex>("46", "two tool calls without index"),
    Row<SameIndex>("47", "two tool calls with one index"),
    Row<RepeatedId>("48", "the id of a tool call on each of its fragments; unary: on two calls"),
    Row<EmptyId>("48empty", "an empty id on later fragments; unary: on each call"),
    Row<FinishedWithStop>("49", "tool calls that finish with stop"),
    Row<NoJson>("50", "arguments that are no JSON"),
    Row<CutJson>("50cut", "arguments that the limit of the output cuts"),
    Row<NoArguments>("51", "empty arguments"),
    Row<Surrogates>("52", "a surrogate pair over two deltas"),
    Row<LoneSurrogates>("52lone", "halves of surrogate pairs"),
    Row<SurrogatesInArguments>("52arguments", "a surrogate pair over two fragments of arguments"),
};

}  // namespace

std::span<const FaultRow> ContentFaults() { return kContentFaults; }

}  // namespace pingti::upstream
