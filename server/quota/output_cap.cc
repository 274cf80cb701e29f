#include "server/quota/output_cap.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <string_view>

#include "rapidjson/memorystream.h"
#include "rapidjson/reader.h"

namespace pingti::quota {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::array kCapNames = {
    "max_tokens"sv,  "max_completion_tokens"sv, "max_output_tokens"sv, "max_new_tokens"sv,
    "max_gen_len"sv, "num_predict"sv,           "maxOutputTokens"sv,   "maxTokens"sv};
constexpr std::array kChoiceNames = {"n"sv, "best_of"sv, "num_return_sequences"sv,
                                     "candidateCount"sv};
constexpr std::array kSectionNames = {"generationConfig"sv, "generation_config"sv, "options"sv,
                                      "parameters"sv};

template <size_t kSize>
bool IsOneOf(std::string_view name, const std::array<std::string_view, kSize>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Iterative: a caller decides how deep the text is nested.
constexpr unsigned kParseFlags = rapidjson::kParseIterativeFlag;

// Looks at the members of the object, and of a section directly in it.
class LimitsReader : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, LimitsReader> {
 public:
  explicit LimitsReader(CallerLimits* limits) : limits_(limits) {}

  bool Default() { return Take(0); }
  bool Int(int value) { return Take(value); }
  bool Uint(unsigned value) { return Take(value); }
  bool Int64(int64_t value) { return Take(static_cast<double>(value)); }
  bool Uint64(uint64_t value) { return Take(static_cast<double>(value)); }
  bool Double(double value) { return Take(value); }
  bool String(const char* text, rapidjson::SizeType length, bool) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text, text + length, value);
    if (error == std::errc::result_out_of_range && *text != '-') return Take(kOutputCapMax);
    return Take(error == std::errc() && end == text + length ? static_cast<double>(value) : 0);
  }

  bool StartObject() { return Open(); }
  bool EndObject(rapidjson::SizeType) { return Close(); }
  bool StartArray() { return Open(); }
  bool EndArray(rapidjson::SizeType) { return Close(); }

  bool Key(const char* text, rapidjson::SizeType length, bool) {
    const std::string_view name(text, length);
    target_ = nullptr;
    section_next_ = false;
    if (depth_ != 1 && !(depth_ == 2 && in_section_)) return true;
    if (IsOneOf(name, kCapNames)) target_ = &limits_->output_cap;
    if (IsOneOf(name, kChoiceNames)) target_ = &limits_->choices;
    section_next_ = depth_ == 1 && IsOneOf(name, kSectionNames);
    return true;
  }

 private:
  bool Take(double value) {
    if (target_ != nullptr && value >= 1) {
      const int64_t max = target_ == &limits_->choices ? kChoicesMax : kOutputCapMax;
      *target_ =
          std::max(*target_, static_cast<int64_t>(std::min(value, static_cast<double>(max))));
    }
    target_ = nullptr;
    return true;
  }
  bool Open() {
    target_ = nullptr;
    if (++depth_ == 2) in_section_ = section_next_;
    section_next_ = false;
    return true;
  }
  bool Close() {
    target_ = nullptr;
    --depth_;
    return true;
  }

  CallerLimits* const limits_;
  int64_t* target_ = nullptr;  // of the value that comes next
  int depth_ = 0;
  bool section_next_ = false;
  bool in_section_ = false;
};

}  // namespace

CallerLimits ReadCallerLimits(const model::CompletionRequest& request) {
  CallerLimits limits;
  limits.output_cap =
      std::clamp<int64_t>(request.sampling.max_output_tokens.value_or(0), 0, kOutputCapMax);
  limits.choices = std::clamp<int64_t>(request.sampling.n.value_or(1), 1, kChoicesMax);
  const std::string& json = request.provider_fields_json;
  if (json.empty()) return limits;
  LimitsReader handler(&limits);
  rapidjson::MemoryStream stream(json.data(), json.size());
  rapidjson::Reader reader;
  reader.Parse<kParseFlags>(stream, handler);  // admission has said what is wrong with it
  return limits;
}

}  // namespace pingti::quota
