#include "tests/upstream/chat_json.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <optional>

#include "server/base/strings.h"
#include "tests/upstream/clock.h"

namespace pingti::upstream {
namespace {

using JsonWriter = rapidjson::Writer<rapidjson::StringBuffer>;

// An explicit length keeps zero bytes and avoids strlen.
void Put(JsonWriter& writer, std::string_view text) {
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

void Put(JsonWriter& writer, std::string_view key, std::string_view value) {
  writer.Key(key.data(), static_cast<rapidjson::SizeType>(key.size()));
  Put(writer, value);
}

constexpr int64_t kUrlNumber = 3;  // citations per answer

void PutQuote(JsonWriter& writer) {
  writer.Key("quote");
  writer.StartArray();
  for (int64_t i = 1; i <= kUrlNumber; ++i) {
    writer.StartObject();
    Put(writer, "num", std::to_string(i));  // text, as Yi sends it
    Put(writer, "url", base::StrCat("https://simulated.example/source/", i));
    Put(writer, "title", base::StrCat("[simulated] source ", i));
    writer.EndObject();
  }
  writer.EndArray();
}

void PutToken(JsonWriter& writer, std::string_view token, double logprob, int64_t alternatives) {
  Put(writer, "token", token);
  writer.Key("logprob");
  writer.Double(logprob);
  writer.Key("bytes");
  writer.StartArray();
  for (unsigned char c : token) writer.Uint(c);
  writer.EndArray();
  if (alternatives < 0) return;
  writer.Key("top_logprobs");
  writer.StartArray();
  for (int64_t i = 0; i < alternatives; ++i) {
    writer.StartObject();
    PutToken(writer, i == 0 ? token : std::string_view("sim"),
             logprob - 0.5 * static_cast<double>(i), -1);
    writer.EndObject();
  }
  writer.EndArray();
}

// One entry per four bytes of text, ending at a character.
void PutLogprobs(JsonWriter& writer, std::string_view text, int64_t alternatives) {
  writer.Key("logprobs");
  writer.StartObject();
  writer.Key("content");
  writer.StartArray();
  int index = 0;
  while (!text.empty()) {
    std::string_view token = Utf8Prefix(text, 4);
    writer.StartObject();
    PutToken(writer, token, -0.125 * (1 + index++ % 8), alternatives);
    writer.EndObject();
    text.remove_prefix(token.size());
  }
  writer.EndArray();
  writer.EndObject();
}

void PutUsageNumbers(JsonWriter& writer, int64_t prompt, int64_t completion, int64_t reasoning) {
  writer.StartObject();
  writer.Key("prompt_tokens");
  writer.Int64(prompt);
  writer.Key("completion_tokens");
  writer.Int64(completion);
  writer.Key("total_tokens");
  writer.Int64(prompt + completion);
  writer.Key("prompt_tokens_details");
  writer.StartObject();
  writer.Key("cached_tokens");
  writer.Int64(0);
  writer.EndObject();
  writer.Key("completion_tokens_details");
  writer.StartObject();
  writer.Key("reasoning_tokens");
  writer.Int64(reasoning);
  writer.EndObject();
  writer.EndObject();
}

// Numbers that no sane provider sends; `variant` chooses among them.
void PutDoubtfulUsage(JsonWriter& writer, int64_t variant) {
  static constexpr std::string_view kDoubtful[] = {
      R"({"prompt_tokens":-5,"completion_tokens":12.5,"total_tokens":9223372036854775808})",
      R"({"prompt_tokens":7,"completion_tokens":"7","total_tokens":"14"})",
      R"({"prompt_tokens":7,"completion_tokens":9223372036854775808,"total_tokens":1e300})",
      R"({"prompt_tokens":3,"completion_tokens":2,"total_tokens":-1})",
      R"({"prompt_tokens":[],"completion_tokens":{},"total_tokens":true})",
  };
  std::string_view raw = kDoubtful[static_cast<size_t>(variant) % std::size(kDoubtful)];
  writer.RawValue(raw.data(), raw.size(), rapidjson::kObjectType);
}

void PutUsage(JsonWriter& writer, const Answer& answer, UsageShape shape, int64_t completion) {
  writer.Key("usage");
  if (shape == UsageShape::kZero) {
    PutUsageNumbers(writer, 0, 0, 0);
  } else if (shape == UsageShape::kPromptZero) {
    PutUsageNumbers(writer, 0, completion, 0);
  } else if (shape == UsageShape::kDoubtful) {
    PutDoubtfulUsage(writer, 0);
  } else {
    PutUsageNumbers(writer, answer.prompt_tokens, completion, answer.reasoning_tokens);
  }
}

void PutToolCalls(JsonWriter& writer, const std::vector<ToolCall>& calls) {
  writer.Key("tool_calls");
  writer.StartArray();
  for (const ToolCall& call : calls) {
    writer.StartObject();
    Put(writer, "id", call.id);
    Put(writer, "type", "function");
    writer.Key("function");
    writer.StartObject();
    Put(writer, "name", call.name);
    Put(writer, "arguments", call.arguments_json);
    writer.EndObject();
    writer.EndObject();
  }
  writer.EndArray();
}

void PutChoice(JsonWriter& writer, const Answer& answer, size_t index, UsageShape shape) {
  const Choice& choice = answer.choices[index];
  writer.StartObject();
  writer.Key("index");
  writer.Uint64(index);
  writer.Key("message");
  writer.StartObject();
  Put(writer, "role", "assistant");
  if (!choice.reasoning.empty()) Put(writer, "reasoning_content", choice.reasoning);
  if (choice.tool_calls.empty()) {
    Put(writer, "content", choice.text);
  } else {
    writer.Key("content");
    writer.Null();
    PutToolCalls(writer, choice.tool_calls);
  }
  writer.EndObject();
  if (answer.logprobs) {
    PutLogprobs(writer, choice.text, answer.top_logprobs);
  } else {
    writer.Key("logprobs");
    writer.Null();
  }
  if (answer.citations && index == 0) PutQuote(writer);
  Put(writer, "finish_reason", choice.finish_reason);
  if (shape == UsageShape::kChoice && index == 0) {
    PutUsage(writer, answer, shape, answer.completion_tokens);
  }
  writer.EndObject();
}

void PutHead(JsonWriter& writer, const Answer& answer, std::string_view object) {
  Put(writer, "id", answer.id);
  Put(writer, "object", object);
  writer.Key("created");
  writer.Int64(answer.created);
  Put(writer, "model", answer.model);
  Put(writer, "system_fingerprint", kFingerprint);
}

std::string Taken(const rapidjson::StringBuffer& buffer) {
  return {buffer.GetString(), buffer.GetSize()};
}

// Makes the events of one stream.
class EventMaker {
 public:
  EventMaker(const Answer& answer, const Knobs& knobs, bool include_usage)
      : answer_(answer),
        knobs_(knobs),
        shape_(knobs.usage_shape.value_or(UsageShape::kOpenAi)),
        usage_chunk_(shape_ == UsageShape::kOpenAi
                         ? include_usage
                         : shape_ == UsageShape::kZero || shape_ == UsageShape::kNullThenReal ||
                               shape_ == UsageShape::kPromptZero ||
                               shape_ == UsageShape::kDoubtful),
        null_usage_(usage_chunk_ && shape_ != UsageShape::kDoubtful) {}

  std::vector<Piece> Make() {
    size_t choices = answer_.choices.size();
    for (size_t i = 0; i < choices; ++i) AddRole(i);
    AddReasoning();
    AddText();
    for (size_t i = 0; i < choices; ++i) AddToolCalls(i);
    if (answer_.citations) {
      AddContent(0, 0, [&](JsonWriter& writer) { PutQuote(writer); });
    }
    for (size_t i = 0; i < choices; ++i) AddFinish(i);
    if (usage_chunk_) AddUsage();
    pieces_.push_back({.kind = PieceKind::kDone, .bytes = "[DONE]"});
    return std::move(pieces_);
  }

 private:
  // `put_rest` writes what follows `delta` within the choice.
  template <typename PutDelta, typename PutRest>
  void AddChunk(PieceKind kind, size_t choice, uint32_t content_bytes, std::string_view finish,
                PutDelta put_delta, PutRest put_rest) {
    rapidjson::StringBuffer buffer;
    JsonWriter writer(buffer);
    writer.StartObject();
    PutHead(writer, answer_, "chat.completion.chunk");
    writer.Key("choices");
    writer.StartArray();
    writer.StartObject();
    writer.Key("index");
    writer.Uint64(choice);
    writer.Key("delta");
    writer.StartObject();
    put_delta(writer);
    writer.EndObject();
    put_rest(writer);
    writer.Key("finish_reason");
    finish.empty() ? writer.Null() : (Put(writer, finish), true);
    bool last = kind == PieceKind::kFinish && choice + 1 == answer_.choices.size();
    if (last && shape_ == UsageShape::kChoice) {
      PutUsage(writer, answer_, shape_, answer_.completion_tokens);
    }
    writer.EndObject();
    writer.EndArray();
    PutChunkUsage(writer, last, content_bytes);
    writer.EndObject();
    pieces_.push_back({.kind = kind, .bytes = Taken(buffer), .content_bytes = content_bytes});
  }

  void PutChunkUsage(JsonWriter& writer, bool last, uint32_t content_bytes) {
    sent_bytes_ += content_bytes;
    if (shape_ == UsageShape::kEveryChunk) {
      int64_t so_far = std::min(TokensOf(sent_bytes_), answer_.completion_tokens);
      PutUsage(writer, answer_, shape_, last ? answer_.completion_tokens : so_far);
    } else if (shape_ == UsageShape::kFinishChunk && last) {
      PutUsage(writer, answer_, shape_, answer_.completion_tokens);
    } else if (shape_ == UsageShape::kDoubtful) {
      writer.Key("usage");
      PutDoubtfulUsage(writer, doubtful_++);
    } else if (null_usage_) {
      writer.Key("usage");
      writer.Null();
    }
  }

  // Content, with its time: the first after first_token_ms, the rest by the pace.
  template <typename PutDelta>
  void AddContent(size_t choice, size_t bytes, PutDelta put_delta, std::string_view text = {}) {
    auto content_bytes = static_cast<uint32_t>(bytes);
    AddChunk(PieceKind::kContent, choice, content_bytes, "", put_delta, [&](JsonWriter& writer) {
      if (answer_.logprobs && !text.empty()) {
        PutLogprobs(writer, text, answer_.top_logprobs);
      } else {
        writer.Key("logprobs");
        writer.Null();
      }
    });
    double ms = knobs_.chunk_interval_ms;
    if (knobs_.tokens_per_second > 0) {
      ms = static_cast<double>(bytes) / 4 / knobs_.tokens_per_second * 1000;
    }
    if (first_content_) ms = knobs_.first_token_ms;
    first_content_ = false;
    pieces_.back().delay_ns = NsFromMs(ms);
  }

  void AddRole(size_t choice) {
    AddChunk(
        PieceKind::kRole, choice, 0, "",
        [](JsonWriter& writer) {
          Put(writer, "role", "assistant");
          Put(writer, "content", "");
        },
        [](JsonWriter& writer) {
          writer.Key("logprobs");
          writer.Null();
        });
  }

  void AddReasoning() {
    constexpr size_t kReasoningPieceBytes = 32;
    for (size_t i = 0; i < answer_.choices.size(); ++i) {
      std::string_view rest = answer_.choices[i].reasoning;
      while (!rest.empty()) {
        std::string_view part = Utf8Prefix(rest, kReasoningPieceBytes);
        AddContent(i, part.size(),
                   [&](JsonWriter& writer) { Put(writer, "reasoning_content", part); });
        rest.remove_prefix(part.size());
      }
    }
  }

  // The choices take turns, as OpenAI interleaves them.
  void AddText() {
    std::vector<std::vector<std::string_view>> slices;
    size_t rounds = 0;
    for (const Choice& choice : answer_.choices) {
      slices.push_back(SliceText(choice.text, knobs_, kChunksMax / answer_.choices.size()));
      rounds = std::max(rounds, slices.back().size());
    }
    for (size_t round = 0; round < rounds; ++round) {
      for (size_t i = 0; i < slices.size(); ++i) {
        if (round >= slices[i].size()) continue;
        std::string_view text = slices[i][round];
        AddContent(i, text.size(), [&](JsonWriter& writer) { Put(writer, "content", text); }, text);
      }
    }
  }

  void AddToolCalls(size_t choice) {
    constexpr size_t kFragmentBytes = 8;
    const std::vector<ToolCall>& calls = answer_.choices[choice].tool_calls;
    for (size_t i = 0; i < calls.size(); ++i) {
      const ToolCall& call = calls[i];
      AddFragment(choice, i, &call, "");
      std::string_view rest = call.arguments_json;
      while (!rest.empty()) {
        std::string_view part = Utf8Prefix(rest, kFragmentBytes);
        AddFragment(choice, i, nullptr, part);
        rest.remove_prefix(part.size());
      }
    }
  }

  // `start`: the fragment that opens a call, with its id and name.
  void AddFragment(size_t choice, size_t index, const ToolCall* start, std::string_view arguments) {
    size_t bytes = arguments.size() + (start != nullptr ? start->name.size() : 0);
    AddContent(choice, bytes, [&](JsonWriter& writer) {
      writer.Key("tool_calls");
      writer.StartArray();
      writer.StartObject();
      writer.Key("index");
      writer.Uint64(index);
      if (start != nullptr) {
        Put(writer, "id", start->id);
        Put(writer, "type", "function");
      }
      writer.Key("function");
      writer.StartObject();
      if (start != nullptr) Put(writer, "name", start->name);
      Put(writer, "arguments", arguments);
      writer.EndObject();
      writer.EndObject();
      writer.EndArray();
    });
  }

  void AddFinish(size_t choice) {
    AddChunk(
        PieceKind::kFinish, choice, 0, answer_.choices[choice].finish_reason, [](JsonWriter&) {},
        [](JsonWriter& writer) {
          writer.Key("logprobs");
          writer.Null();
        });
  }

  void AddUsage() {
    rapidjson::StringBuffer buffer;
    JsonWriter writer(buffer);
    writer.StartObject();
    PutHead(writer, answer_, "chat.completion.chunk");
    writer.Key("choices");
    writer.StartArray();
    writer.EndArray();
    if (shape_ == UsageShape::kDoubtful) {
      writer.Key("usage");
      PutDoubtfulUsage(writer, 3);
    } else {
      PutUsage(writer, answer_, shape_, answer_.completion_tokens);
    }
    writer.EndObject();
    pieces_.push_back({.kind = PieceKind::kUsage, .bytes = Taken(buffer)});
  }

  const Answer& answer_;
  const Knobs& knobs_;
  const UsageShape shape_;
  const bool usage_chunk_;
  const bool null_usage_;
  std::vector<Piece> pieces_;
  int64_t sent_bytes_ = 0;
  int64_t doubtful_ = 0;
  bool first_content_ = true;
};

}  // namespace

std::string CompletionJson(const Answer& answer, UsageShape shape) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  PutHead(writer, answer, "chat.completion");
  writer.Key("choices");
  writer.StartArray();
  for (size_t i = 0; i < answer.choices.size(); ++i) PutChoice(writer, answer, i, shape);
  writer.EndArray();
  if (shape != UsageShape::kNone && shape != UsageShape::kChoice) {
    PutUsage(writer, answer, shape, answer.completion_tokens);
  }
  writer.EndObject();
  return Taken(buffer);
}

std::vector<Piece> StreamEvents(const Answer& answer, const Knobs& knobs, bool include_usage) {
  return EventMaker(answer, knobs, include_usage).Make();
}

std::string EmptyChoicesChunk(const Answer& answer, bool filter) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  PutHead(writer, answer, "chat.completion.chunk");
  writer.Key("choices");
  writer.StartArray();
  writer.EndArray();
  if (filter) {
    constexpr std::string_view kResults =
        R"([{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}])";
    writer.Key("prompt_filter_results");
    writer.RawValue(kResults.data(), kResults.size(), rapidjson::kArrayType);
  }
  writer.EndObject();
  return Taken(buffer);
}

std::string ModelsJson() {
  static constexpr std::string_view kModels[] = {
      "gpt-4o",    "gpt-4-turbo",    "gpt-3.5-turbo", "gpt-3.5-turbo-1106", "yi-large",
      "yi-medium", "yi-large-turbo", "yi-large-rag",  "yi-vision",          "simulated-reason",
  };
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  Put(writer, "object", "list");
  writer.Key("data");
  writer.StartArray();
  for (std::string_view model : kModels) {
    writer.StartObject();
    Put(writer, "id", model);
    Put(writer, "object", "model");
    writer.Key("created");
    writer.Int64(1'700'000'000);
    Put(writer, "owned_by", "simulated");
    writer.EndObject();
  }
  writer.EndArray();
  writer.EndObject();
  return Taken(buffer);
}

}  // namespace pingti::upstream
