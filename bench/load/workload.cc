#include "bench/load/workload.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "absl/strings/str_cat.h"

namespace pingti::bench {

std::string MakePrompt(const Options& options) {
  constexpr std::string_view kWords =
      "The quick brown fox jumps over the lazy dog and asks what it costs. ";
  std::string prompt = absl::StrCat("[sim:", options.marker, "] ");
  const auto size = static_cast<size_t>(options.prompt_bytes);
  prompt.reserve(size + kWords.size());
  while (prompt.size() < size) prompt.append(kWords);
  prompt.resize(size);
  return prompt;
}

std::string MakeHttpBody(const Options& options) {
  rapidjson::StringBuffer body;
  rapidjson::Writer<rapidjson::StringBuffer> json(body);
  json.StartObject();
  json.Key("model");
  json.String(options.model.c_str());
  json.Key("messages");
  json.StartArray();
  json.StartObject();
  json.Key("role");
  json.String("user");
  json.Key("content");
  json.String(MakePrompt(options).c_str());
  json.EndObject();
  json.EndArray();
  if (options.stream) {
    json.Key("stream");
    json.Bool(true);
    json.Key("stream_options");
    json.StartObject();
    json.Key("include_usage");
    json.Bool(true);
    json.EndObject();
  }
  json.EndObject();
  return body.GetString();
}

}  // namespace pingti::bench
