#include "tests/upstream/answer.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "server/base/strings.h"

namespace pingti::upstream {
namespace {

constexpr int64_t kSliceBytes = 8;
constexpr int64_t kStampedChunks = 8;
constexpr size_t kEchoBytesMax = 80;

constexpr std::string_view kSentences[] = {
    "Tokens are counted at four bytes each.",
    "Nothing here was thought about by anyone.",
    "The same question always gets this same answer.",
    "A real provider would cost money at this point.",
    "The weather in the simulation is fair.",
    "Every byte of this was decided by a hash.",
    "Streams may be cut, stalled or reset on request.",
    "Please do not quote this as a fact.",
};

constexpr std::string_view kChineseSentences[] = {
    "每四个字节算一个词元。",   "同样的问题总是得到同样的回答。", "这里没有真正的模型在思考。",
    "真实的服务在这里会收费。", "模拟世界里今天天气晴朗。",       "请不要把这段话当作事实引用。",
};

// `needle` is in lower case.
bool ContainsIgnoreCase(std::string_view text, std::string_view needle) {
  return std::search(text.begin(), text.end(), needle.begin(), needle.end(), [](char a, char b) {
           return absl::ascii_tolower(static_cast<unsigned char>(a)) == b;
         }) != text.end();
}

uint64_t Mix(uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}

// The prompt without its marker: knobs do not change what the answer says.
std::string WithoutMarker(std::string_view prompt) {
  std::string clean(prompt);
  size_t begin = clean.find("[sim:");
  if (begin != std::string::npos) {
    size_t end = clean.find(']', begin);
    clean.erase(begin, end == std::string::npos ? std::string::npos : end - begin + 1);
  }
  return clean;
}

// A prompt as the answer quotes it: on one line, short.
std::string Echo(std::string_view prompt) {
  std::string clean(prompt);
  for (char& c : clean) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  while (clean.starts_with(' ')) clean.erase(0, 1);
  return std::string(Utf8Prefix(clean, kEchoBytesMax));
}

template <size_t N>
void AppendSentences(const std::string_view (&sentences)[N], std::string_view gap, uint64_t seed,
                     std::string* text) {
  for (int i = 0; i < 3; ++i) {
    base::StrAppend(text, gap, sentences[Mix(seed + static_cast<uint64_t>(i)) % N]);
  }
}

std::string Prose(std::string_view prompt, uint64_t seed) {
  std::string text;
  if (WantsChinese(prompt)) {
    text = base::StrCat("你好！[simulated] 这是模拟提供方的回答，不是模型写的。你说的是：“",
                        Echo(prompt), "”。");
    AppendSentences(kChineseSentences, "", seed, &text);
  } else {
    text = base::StrCat(
        "[simulated] Hello! This answer comes from a simulated provider, not from a model. You "
        "said: \"",
        Echo(prompt), "\".");
    AppendSentences(kSentences, " ", seed, &text);
  }
  return text;
}

// Makes `text` at least `bytes` long with plain filler.
void FillTo(size_t bytes, std::string* text) {
  constexpr std::string_view kFiller = " and so on, simulated";
  while (text->size() < bytes) {
    text->append(kFiller.substr(0, std::min(kFiller.size(), bytes - text->size())));
  }
}

// Words that each name the speaker, the asker and their place in the answer.
std::string SpokenText(const ChatRequest& request, const Knobs& knobs) {
  constexpr int64_t kSpokenBytes = 200;
  const int64_t asked = std::max(knobs.chunks * knobs.chunk_bytes, knobs.output_tokens * 4);
  const auto wanted = static_cast<size_t>(asked > 0 ? asked : kSpokenBytes);
  std::string text;
  for (int64_t i = 0; text.size() < wanted; ++i) {
    base::StrAppend(&text, knobs.voice, "/", request.user, "/", i, " ");
  }
  text.resize(wanted);
  return text;
}

// An answer that is not streamed is sent once, so it has one send time.
std::string StampedText(const Knobs& knobs, bool stream) {
  std::string chunk(kStampMark);
  chunk.resize(std::max(chunk.size(), static_cast<size_t>(knobs.chunk_bytes)), '.');
  int64_t chunks = !stream ? 1 : knobs.chunks > 0 ? knobs.chunks : kStampedChunks;
  std::string text;
  text.reserve(chunk.size() * static_cast<size_t>(chunks));
  for (int64_t i = 0; i < chunks; ++i) text += chunk;
  return text;
}

// The text before max_tokens and stop have their say.
std::string FullText(const ChatRequest& request, const Knobs& knobs, uint64_t seed) {
  if (request.response_format == ResponseFormat::kJsonSchema) {
    return ExampleForSchema(request.schema_json, "[simulated]");
  }
  if (request.response_format == ResponseFormat::kJsonObject) {
    return absl::StrFormat(R"({"simulated":true,"seed":"%016x","answer":"[simulated]"})", seed);
  }
  if (!knobs.voice.empty()) return SpokenText(request, knobs);
  std::string text = Prose(WithoutMarker(request.last_user_text), seed);
  if (knobs.output_tokens > 0) {
    size_t wanted = static_cast<size_t>(knobs.output_tokens) * 4;
    text = Utf8Prefix(text, wanted);
    FillTo(wanted, &text);
  } else if (knobs.chunks > 0 && knobs.chunk_bytes > 0) {
    size_t wanted = static_cast<size_t>(knobs.chunks * knobs.chunk_bytes);
    text = Utf8Prefix(text, wanted);
    FillTo(wanted, &text);
  } else if (knobs.chunks > 0) {
    // Four bytes hold the longest character, so this suffices for that many pieces.
    FillTo(static_cast<size_t>(knobs.chunks) * 4, &text);
  }
  return text;
}

// The tools that this answer calls; empty: it answers with text.
std::vector<ToolCall> CallTools(const ChatRequest& request, uint64_t seed) {
  std::vector<ToolCall> calls;
  if (request.tools.empty() || request.tool_choice_none || !request.last_message_is_user) {
    return calls;
  }
  const std::string& prompt = request.last_user_text;
  bool all = ContainsIgnoreCase(prompt, "call tools");
  if (!all && !ContainsIgnoreCase(prompt, "call tool")) return calls;
  for (const ToolSpec& tool : request.tools) {
    if (!request.tool_choice_name.empty() && tool.name != request.tool_choice_name) continue;
    calls.push_back(
        {.id = absl::StrFormat("call_simulated_%08x_%d", Mix(seed) & 0xffffffff, calls.size()),
         .name = tool.name,
         .arguments_json = ExampleForSchema(tool.schema_json, "[simulated]")});
    if (!all) break;
  }
  return calls;
}

// Cuts reasoning and text to `max_tokens`, reasoning first. True if anything was cut.
bool CutToTokens(int64_t max_tokens, Choice* choice) {
  int64_t reasoning = TokensOf(static_cast<int64_t>(choice->reasoning.size()));
  int64_t bytes_max = std::min(max_tokens, kAnswerBytesMax) * 4;
  bool cut = false;
  if (reasoning > max_tokens) {
    choice->reasoning = Utf8Prefix(choice->reasoning, static_cast<size_t>(bytes_max));
    reasoning = max_tokens;
    cut = true;
  }
  size_t left = static_cast<size_t>(std::min(max_tokens - reasoning, kAnswerBytesMax)) * 4;
  if (choice->text.size() > left) {
    choice->text = Utf8Prefix(choice->text, left);
    cut = true;
  }
  return cut;
}

Choice ComposeChoice(const ChatRequest& request, const Knobs& knobs, uint64_t seed) {
  Choice choice;
  choice.finish_reason = "stop";
  if (knobs.reasoning || ContainsIgnoreCase(request.model, "reason")) {
    choice.reasoning =
        absl::StrFormat("[simulated reasoning] The prompt has %d bytes; its hash is %016x.",
                        request.prompt_bytes, seed);
  }
  choice.tool_calls = CallTools(request, seed);
  if (!choice.tool_calls.empty()) {
    choice.finish_reason = "tool_calls";
    return choice;
  }
  if (knobs.send_time) {  // a measuring run: nothing may cut a send time
    choice.text = StampedText(knobs, request.stream);
    return choice;
  }
  choice.text = FullText(request, knobs, seed);
  size_t stop_at = std::string::npos;
  for (const std::string& stop : request.stop) {
    if (!stop.empty()) stop_at = std::min(stop_at, choice.text.find(stop));
  }
  if (stop_at != std::string::npos) choice.text.resize(stop_at);
  if (request.max_tokens && CutToTokens(*request.max_tokens, &choice)) {
    choice.finish_reason = "length";
  }
  return choice;
}

}  // namespace

uint64_t PromptHash(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (unsigned char c : text) hash = (hash ^ c) * 0x100000001b3ULL;
  return Mix(hash);
}

bool WantsChinese(std::string_view text) {
  if (ContainsIgnoreCase(text, "chinese")) return true;
  // U+3400 to U+9FFF, the ideographs, are E3 90 80 to E9 BF BF in UTF-8.
  for (size_t i = 0; i + 2 < text.size(); ++i) {
    auto first = static_cast<unsigned char>(text[i]);
    auto second = static_cast<unsigned char>(text[i + 1]);
    if ((first == 0xe3 && second >= 0x90) || (first >= 0xe4 && first <= 0xe9)) return true;
  }
  return false;
}

Answer ComposeAnswer(const ChatRequest& request, const Knobs& knobs) {
  uint64_t seed = PromptHash(WithoutMarker(request.last_user_text));
  Answer answer;
  answer.model = request.model;
  answer.citations = knobs.citations || ContainsIgnoreCase(request.model, "rag");
  answer.logprobs = request.logprobs;
  answer.top_logprobs = request.top_logprobs;
  answer.prompt_tokens = std::max<int64_t>(1, TokensOf(request.prompt_bytes));
  for (int64_t i = 0; i < request.n; ++i) {
    Choice choice = ComposeChoice(request, knobs, seed + static_cast<uint64_t>(i));
    int64_t reasoning = TokensOf(static_cast<int64_t>(choice.reasoning.size()));
    int64_t tokens = reasoning + TokensOf(static_cast<int64_t>(choice.text.size()));
    for (const ToolCall& call : choice.tool_calls) {
      tokens += TokensOf(static_cast<int64_t>(call.name.size() + call.arguments_json.size()));
    }
    answer.completion_tokens += tokens;
    answer.reasoning_tokens += reasoning;
    answer.choices.push_back(std::move(choice));
  }
  return answer;
}

std::string_view Utf8Prefix(std::string_view text, size_t bytes) {
  if (bytes >= text.size()) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

std::vector<std::string_view> SliceText(std::string_view text, const Knobs& knobs,
                                        size_t slices_max) {
  std::vector<std::string_view> slices;
  size_t width = static_cast<size_t>(knobs.chunk_bytes > 0 ? knobs.chunk_bytes : kSliceBytes);
  if (knobs.send_time) width = std::max(width, kStampMark.size());
  width = std::max(width, text.size() / slices_max);
  size_t count = knobs.chunks > 0 ? static_cast<size_t>(knobs.chunks) : 0;
  while (!text.empty()) {
    size_t bytes = width;
    if (count > 0 && !(knobs.send_time || knobs.chunk_bytes > 0)) {
      size_t left = count > slices.size() ? count - slices.size() : 1;
      bytes = std::max<size_t>(1, text.size() / left);
      if (left == 1) bytes = text.size();
    }
    std::string_view slice = Utf8Prefix(text, bytes);
    // A character wider than the slice goes whole.
    for (size_t more = bytes + 1; slice.empty(); ++more) slice = Utf8Prefix(text, more);
    slices.push_back(slice);
    text.remove_prefix(slice.size());
  }
  return slices;
}

}  // namespace pingti::upstream
