#include "client/command/price_import.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <utility>

#include "client/command/format.h"
#include "client/command/price_file.h"

namespace pingti::command {
namespace {

using Kind = PriceField::Kind;

constexpr int kPicoDigits = 12;                       // of a unit per token
constexpr std::int64_t kExponentMax = 1'000'000'000;  // more than a file has digits
constexpr std::int64_t kTokensMax = 100'000'000;
constexpr std::size_t kModelNameBytesMax = 128;
constexpr std::size_t kProviderNameBytesMax = 64;
constexpr std::size_t kSourceBytesMax = 500;
constexpr std::size_t kProvidersShown = 20;

constexpr char kInput[] = "input_cost_per_token";
constexpr char kCachedInput[] = "cache_read_input_token_cost";
constexpr char kOutput[] = "output_cost_per_token";

// As an error shows it.
std::string Shown(const PriceField& field) {
  switch (field.kind) {
    case Kind::kString:
      return "'" + field.text + "'";
    case Kind::kOther:
      return field.text == "[" ? "a list" : "a map";
    default:
      return field.text;
  }
}

bool IsZero(const PriceField& field) {
  if (field.kind == Kind::kNull || field.kind == Kind::kFalse) return true;
  const std::string_view digits =
      std::string_view(field.text).substr(0, field.text.find_first_of("eE"));
  return field.kind == Kind::kNumber && digits.find_first_not_of("-0.") == std::string_view::npos;
}

// In double quotes of YAML. `$` stands twice: a configuration expands variables.
std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (c == '$') quoted += '$';
    quoted += c;
  }
  return quoted + "\"";
}

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; }

bool IsModelName(std::string_view name) {
  return !name.empty() && name.size() <= kModelNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return c > ' ' && c < '\x7f' &&
                  std::string_view("\"'\\$").find(c) == std::string_view::npos;
         });
}

// A number of tokens, nothing where there is none; `*wrong` is what is wrong with what is there.
std::optional<std::int64_t> TokensOf(const PriceEntry& entry, const std::string& name,
                                     std::string* wrong) {
  const PriceField* field = entry.Find(name);
  if (field == nullptr || field->kind == Kind::kNull) return std::nullopt;
  std::string_view digits = field->text;
  if (digits.ends_with(".0")) digits.remove_suffix(2);
  std::int64_t tokens = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, tokens);
  const bool whole = field->kind == Kind::kNumber && error == std::errc() && stop == end;
  if (whole && tokens > 0 && tokens <= kTokensMax) return tokens;
  *wrong = name + " is " + Shown(*field) + "; write a whole number from 1 to 100000000";
  return std::nullopt;
}

bool IsTrue(const PriceEntry& entry, std::string_view name) {
  const PriceField* field = entry.Find(name);
  return field != nullptr && field->kind == Kind::kTrue;
}

std::string TextOf(const PriceEntry& entry, std::string_view name) {
  const PriceField* field = entry.Find(name);
  return field != nullptr && field->kind == Kind::kString ? field->text : "";
}

// Fields with prices that the catalogue has no place for, for a comment.
std::string LeftOut(const PriceEntry& entry) {
  std::set<std::string> names;
  for (const PriceField& field : entry.fields) {
    const bool taken = field.name == kInput || field.name == kCachedInput || field.name == kOutput;
    if (taken || IsZero(field) || field.name.find("cost") == std::string::npos) continue;
    std::string name = field.name;
    for (char& c : name) c = IsControl(c) ? '?' : c;  // it stays one line
    names.insert(std::move(name));
  }
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

// `deepseek-chat` for LiteLLM's `deepseek/deepseek-chat`.
std::string ShortName(const PriceEntry& entry) {
  const std::string prefix = TextOf(entry, "litellm_provider") + "/";
  return entry.key.starts_with(prefix) ? entry.key.substr(prefix.size()) : entry.key;
}

// One import under way.
class Import {
 public:
  explicit Import(const ImportRequest& request) : request_(request) {}

  Imported Run(const std::vector<PriceEntry>& entries) {
    std::string yaml =
        "# Out of " + request_.source + "; prices in force since " + request_.date + ".\nmodels:\n";
    for (const PriceEntry& entry : entries) {
      if (entry.is_map && IsChosen(entry)) Add(entry, &yaml);
    }
    std::string missing;
    for (const std::string& name :
         std::set<std::string>(request_.models.begin(), request_.models.end())) {
      if (!found_.contains(name)) missing += (missing.empty() ? "" : ", ") + name;
    }
    if (!missing.empty()) {
      errors_.push_back("there is no model " + missing +
                        (request_.provider.empty() ? "" : " of " + request_.provider));
    }
    if (seen_.empty() && errors_.empty()) errors_.push_back(NothingChosen(entries));
    if (!errors_.empty()) return {"", std::move(errors_)};
    return {std::move(yaml), {}};
  }

 private:
  bool IsChosen(const PriceEntry& entry) {
    const std::string provider = TextOf(entry, "litellm_provider");
    const bool of_provider = request_.provider.empty() || provider == request_.provider;
    if (!of_provider) return false;
    if (request_.models.empty()) return TextOf(entry, "mode") == "chat";
    bool named = false;
    for (const std::string& name : {entry.key, ShortName(entry)}) {
      if (std::find(request_.models.begin(), request_.models.end(), name) ==
          request_.models.end()) {
        continue;
      }
      named = true;
      found_.insert(name);
    }
    return named;
  }

  std::string NothingChosen(const std::vector<PriceEntry>& entries) const {
    std::set<std::string> providers;
    for (const PriceEntry& entry : entries) {
      if (entry.is_map && TextOf(entry, "mode") == "chat") {
        providers.insert(TextOf(entry, "litellm_provider"));
      }
    }
    std::string list;
    std::size_t count = 0;
    for (const std::string& provider : providers) {
      if (provider.empty()) continue;
      if (++count > kProvidersShown) {
        list += " and others";
        break;
      }
      list += (list.empty() ? "" : ", ") + provider;
    }
    return "nothing was chosen: no chat model of this provider" +
           (list.empty() ? "" : "; there are " + list);
  }

  void Add(const PriceEntry& entry, std::string* yaml) {
    const std::string name = ShortName(entry);
    std::string lines;
    if (std::string wrong = Write(name, entry, &lines); !wrong.empty()) {
      errors_.push_back(entry.key + ": " + wrong);
      return;
    }
    const auto [seen, is_new] = seen_.emplace(name, lines);
    if (is_new) {
      *yaml += lines;
    } else if (seen->second != lines) {
      errors_.push_back(entry.key + ": another entry has the name " + name +
                        ", too, and differs; leave one of them");
    }
  }

  // The entry of `models:`; returns what is wrong.
  std::string Write(const std::string& name, const PriceEntry& entry, std::string* lines) const {
    if (std::string wrong = Check(name, entry); !wrong.empty()) return wrong;
    std::string wrong_tokens;
    auto context = TokensOf(entry, "max_input_tokens", &wrong_tokens);
    if (!context && wrong_tokens.empty()) context = TokensOf(entry, "max_tokens", &wrong_tokens);
    const auto most = TokensOf(entry, "max_output_tokens", &wrong_tokens);
    if (!wrong_tokens.empty()) return wrong_tokens;
    if (!context) return "it has no max_input_tokens; write a whole number from 1 to 100000000";
    std::string prices;
    if (std::string wrong = WritePrices(entry, &prices); !wrong.empty()) return wrong;
    *lines = "  - name: " + Quoted(name) + "\n    provider: " + ProviderOf(entry) +
             "\n    context_tokens: " + std::to_string(*context) + "\n";
    if (most && *most <= *context) {
      *lines += "    output_tokens_max: " + std::to_string(*most) + "\n";
    }
    if (IsTrue(entry, "supports_vision")) *lines += "    vision: true\n";
    if (IsTrue(entry, "supports_function_calling")) *lines += "    tools: true\n";
    const std::string source = Quoted(request_.source);
    *lines += "    source: " + source + "\n    prices:\n      - {since: " + request_.date +
              ", currency: USD, " + prices + "verified: false,\n         source: " + source + "}\n";
    if (const std::string list = LeftOut(entry); !list.empty()) {
      *lines += "    # Not taken over: " + list + ".\n";
    }
    return "";
  }

  std::string Check(const std::string& name, const PriceEntry& entry) const {
    if (!IsModelName(name)) {
      return "its name is none that the catalogue takes: 1 to 128 visible ASCII characters "
             "without quotes, \\ and $";
    }
    const PriceField* mode = entry.Find("mode");
    if (mode == nullptr) return "it has no mode; only 'chat' is taken over";
    if (TextOf(entry, "mode") != "chat") return "its mode is " + Shown(*mode) + ", not 'chat'";
    for (const char* field : {kInput, kOutput}) {
      if (entry.Find(field) == nullptr) {
        return std::string("it has no ") + field + "; write a price per token, for example 1e-06";
      }
    }
    if (!IsProviderName(ProviderOf(entry))) {
      const PriceField* provider = entry.Find("litellm_provider");
      return (provider == nullptr ? std::string("it has no litellm_provider")
                                  : "its litellm_provider is " + Shown(*provider) +
                                        ", which is no name of a provider") +
             "; say with --as what the configuration calls it, 1 to 64 of a-z, 0-9 and -";
    }
    return "";
  }

  std::string WritePrices(const PriceEntry& entry, std::string* prices) const {
    const std::pair<const char*, const char*> names[] = {
        {kInput, "input"}, {kCachedInput, "cached_input"}, {kOutput, "output"}};
    for (const auto& [theirs, ours] : names) {
      const PriceField* field = entry.Find(theirs);
      if (field == nullptr) continue;
      std::string wrong = "no number; write it without quotes, for example 1e-06";
      const auto pico =
          field->kind == Kind::kNumber ? ParsePico(field->text, &wrong) : std::nullopt;
      if (!pico) return std::string(theirs) + " is " + Shown(*field) + ", which is " + wrong;
      *prices += std::string(ours) + ": " + FormatPerMillion(*pico) + ", ";
    }
    return "";
  }

  std::string ProviderOf(const PriceEntry& entry) const {
    return request_.provider_name.empty() ? TextOf(entry, "litellm_provider")
                                          : request_.provider_name;
  }

  const ImportRequest& request_;
  std::set<std::string> found_;              // names that were asked for
  std::map<std::string, std::string> seen_;  // lines by name
  std::vector<std::string> errors_;
};

}  // namespace

std::optional<std::int64_t> ParsePico(std::string_view number, std::string* wrong) {
  constexpr char kTooMuch[] = "more than any price; one is from 0 to 1 per token";
  const bool negative = number.starts_with('-');
  if (negative) number.remove_prefix(1);
  const std::size_t e = std::min(number.find_first_of("eE"), number.size());
  std::int64_t exponent = 0;
  if (e < number.size()) {
    std::string_view text = number.substr(e + 1);
    if (text.starts_with('+')) text.remove_prefix(1);
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), exponent);
    if (error == std::errc::result_out_of_range) {
      exponent = text.starts_with('-') ? -kExponentMax : kExponentMax;
    }
    exponent = std::clamp(exponent, -kExponentMax, kExponentMax);
  }
  std::string digits(number.substr(0, e));
  if (const std::size_t point = digits.find('.'); point != std::string::npos) {
    exponent -= static_cast<std::int64_t>(digits.size() - point - 1);
    digits.erase(point, 1);
  }
  digits.erase(0, digits.find_first_not_of('0'));
  if (digits.empty()) return 0;
  if (negative) {
    *wrong = "below zero; a price is from 0 to 1 per token";
    return std::nullopt;
  }
  while (digits.back() == '0') {
    digits.pop_back();
    ++exponent;
  }
  if (exponent < -kPicoDigits) {
    *wrong = "no whole number of 1e-12 per token; write at most 12 digits after the point";
    return std::nullopt;
  }
  // 1 per token has 13 digits.
  if (static_cast<std::int64_t>(digits.size()) + exponent > 1) {
    *wrong = kTooMuch;
    return std::nullopt;
  }
  digits.append(static_cast<std::size_t>(exponent + kPicoDigits), '0');
  std::int64_t pico = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), pico);
  if (pico <= kPicoMax) return pico;
  *wrong = kTooMuch;
  return std::nullopt;
}

bool IsProviderName(std::string_view name) {
  return !name.empty() && name.size() <= kProviderNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

bool IsSource(std::string_view source) {
  return source.size() <= kSourceBytesMax && std::none_of(source.begin(), source.end(), IsControl);
}

Imported ImportPrices(std::string_view json, const ImportRequest& request) {
  std::vector<PriceEntry> entries;
  if (std::string wrong = ReadPriceFile(json, &entries); !wrong.empty()) {
    return {"", {std::move(wrong)}};
  }
  return Import(request).Run(entries);
}

}  // namespace pingti::command
