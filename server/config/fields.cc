#include "server/config/fields.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "absl/strings/escaping.h"
#include "server/base/money.h"
#include "server/base/strings.h"
#include "server/base/text.h"
#include "server/config/value.h"

namespace pingti::config {

namespace {

constexpr size_t kShownBytesMax = 60;

std::string Join(std::string_view path, std::string_view key) {
  return base::StrCat(path, path.empty() ? "" : ".", key);
}

std::string Quoted(std::string_view text) {
  size_t bytes = std::min(text.size(), kShownBytesMax);
  while (bytes > 0 && !base::IsValidUtf8(text.substr(0, bytes))) --bytes;
  const std::string escaped = absl::Utf8SafeCEscape(base::AbslView(text.substr(0, bytes)));
  return base::StrCat("\"", escaped, bytes < text.size() ? "..." : "", "\"");
}

// A key as part of a path: as it is where that is readable.
std::string ShownKey(std::string_view key) {
  const bool plain = !key.empty() && key.size() <= kShownBytesMax &&
                     std::all_of(key.begin(), key.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '_' || c == '-';
                     });
  return plain ? std::string(key) : Quoted(key);
}

std::string KindProblem(const YamlNode& node, std::string_view expected) {
  return base::StrCat("is ", KindName(node.kind), "; write ", expected);
}

}  // namespace

std::string Resolve(const std::string& folder, const std::string& path) {
  return !path.empty() && path.front() == '/' ? path : folder + path;
}

// What the environment holds may be a secret in the wrong place, so only its name is shown.
std::string Shown(std::string_view raw, const Expanded& value) {
  return base::StrCat(Quoted(raw), value.variables.empty() ? "" : " (from the environment)");
}

Fields::Fields(const YamlNode& node, std::string path, Context& context)
    : node_(node), path_(std::move(path)), context_(context) {
  if (node_.kind == YamlNode::Kind::kNull) return;
  if (node_.kind != YamlNode::Kind::kMap) {
    usable_ = false;
    context_.errors.Add(node_.place, path_, KindProblem(node_, "a map (`key: value` lines)"));
    return;
  }
  std::unordered_map<std::string_view, int> lines;
  for (const YamlEntry& entry : node_.entries) {
    const auto [it, is_new] = lines.emplace(entry.key, entry.place.line);
    if (is_new || context_.errors.full()) continue;
    context_.errors.Add(entry.place, PathOf(ShownKey(entry.key)),
                        base::StrCat("is here twice, first in line ", it->second));
  }
}

std::string Fields::PathOf(std::string_view key) const { return Join(path_, key); }

const YamlEntry* Fields::Get(std::string_view key) {
  known_.push_back(key);
  return node_.Find(key);
}

const YamlEntry* Fields::Require(std::string_view key, Presence presence) {
  const YamlEntry* entry = Get(key);
  if (entry == nullptr && presence == Presence::kRequired && usable_) {
    context_.errors.Add(node_.place, PathOf(key), "is missing");
  }
  return entry;
}

void Fields::Error(std::string_view key, std::string_view message) {
  const YamlEntry* entry = node_.Find(key);
  context_.errors.Add(entry == nullptr ? node_.place : entry->place, PathOf(key), message);
}

std::optional<Expanded> Fields::Scalar(const YamlNode& node, const Place& place,
                                       const std::string& path) {
  if (node.kind == YamlNode::Kind::kNull) return Expanded{};
  if (node.kind != YamlNode::Kind::kScalar) {
    context_.errors.Add(place, path, KindProblem(node, "a single value"));
    return std::nullopt;
  }
  Expanded value = Expand(node.scalar, context_.environment);
  if (!value.problem.empty()) {
    context_.errors.Add(place, path, value.problem);
    return std::nullopt;
  }
  return value;
}

std::optional<Expanded> Fields::Scalar(std::string_view key, Presence presence,
                                       std::string* shown) {
  const YamlEntry* entry = Require(key, presence);
  if (entry == nullptr) return std::nullopt;
  std::optional<Expanded> value = Scalar(entry->value, entry->place, PathOf(key));
  if (value) *shown = Shown(entry->value.scalar, *value);
  return value;
}

void Fields::Bool(std::string_view key, bool* out) {
  std::string shown;
  const std::optional<Expanded> value = Scalar(key, Presence::kOptional, &shown);
  if (!value) return;
  if (value->text == "true" || value->text == "false") {
    *out = value->text == "true";
  } else {
    Error(key, base::StrCat(shown, " is neither true nor false"));
  }
}

void Fields::Integer(std::string_view key, int64_t* out, int64_t min, int64_t max,
                     Presence presence) {
  std::string shown;
  const std::optional<Expanded> value = Scalar(key, presence, &shown);
  if (!value) return;
  const std::optional<int64_t> number = ParseInteger(value->text);
  if (number && *number >= min && *number <= max) {
    *out = *number;
  } else {
    Error(key, base::StrCat(shown, " is not a whole number from ", min, " to ", max));
  }
}

void Fields::Integer(std::string_view key, int* out, int min, int max) {
  int64_t value = *out;
  Integer(key, &value, min, max);
  *out = static_cast<int>(value);
}

void Fields::Integer(std::string_view key, std::optional<int64_t>* out, int64_t min, int64_t max) {
  int64_t value = min - 1;
  Integer(key, &value, min, max);
  if (value >= min) *out = value;
}

void Fields::Bytes(std::string_view key, int64_t* out, int64_t min, int64_t max) {
  std::string shown;
  const std::optional<Expanded> value = Scalar(key, Presence::kOptional, &shown);
  if (!value) return;
  const std::optional<int64_t> bytes = ParseBytes(value->text);
  if (!bytes) {
    Error(key, base::StrCat(shown, " is not a size; write bytes, or a whole number with KiB, MiB ",
                            "or GiB, for example 20MiB"));
  } else if (*bytes < min || *bytes > max) {
    Error(key, base::StrCat(shown, " is out of range; from ", FormatBytes(min), " to ",
                            FormatBytes(max), " is allowed"));
  } else {
    *out = *bytes;
  }
}

void Fields::Duration(std::string_view key, absl::Duration* out, absl::Duration min,
                      absl::Duration max) {
  std::string shown;
  const std::optional<Expanded> value = Scalar(key, Presence::kOptional, &shown);
  if (!value) return;
  const std::optional<absl::Duration> duration = ParseDuration(value->text);
  if (!duration) {
    Error(key, base::StrCat(shown, " is not a duration; write a whole number with ms, s, m or h, ",
                            "for example 5s"));
  } else if (*duration < min || *duration > max) {
    Error(key, base::StrCat(shown, " is out of range; from ", FormatDuration(min), " to ",
                            FormatDuration(max), " is allowed"));
  } else {
    *out = *duration;
  }
}

bool Fields::Decimal(std::string_view key, int64_t* out, int digits, int64_t max,
                     Presence presence) {
  std::string shown;
  const std::optional<Expanded> value = Scalar(key, presence, &shown);
  if (!value) return false;
  const std::optional<int64_t> number = base::ParseDecimal(value->text, digits);
  int64_t scaled_max = max;
  for (int i = 0; i < digits; ++i) scaled_max *= 10;
  if (!number || *number < 0 || *number > scaled_max) {
    Error(key, base::StrCat(shown, " is not a decimal number from 0 to ", max, " with at most ",
                            digits, " digits after the point, for example 2.5"));
    return false;
  }
  *out = *number;
  return true;
}

bool Fields::Date(std::string_view key, absl::CivilDay* out, Presence presence) {
  std::string shown;
  const std::optional<Expanded> value = Scalar(key, presence, &shown);
  if (!value) return false;
  const std::optional<absl::CivilDay> date = ParseDate(value->text);
  if (!date) {
    Error(key, base::StrCat(shown, " is not a date; write year-month-day, for example 2024-06-01"));
    return false;
  }
  *out = *date;
  return true;
}

bool Fields::Text(std::string_view key, std::string* out, Check check, Presence presence) {
  std::string shown;
  std::optional<Expanded> value = Scalar(key, presence, &shown);
  if (!value) return false;
  if (const std::string problem = check(value->text); !problem.empty()) {
    Error(key, base::StrCat(shown, " ", problem));
    return false;
  }
  *out = std::move(value->text);
  return true;
}

std::optional<Expanded> Fields::Raw(std::string_view key, Presence presence) {
  std::string shown;
  return Scalar(key, presence, &shown);
}

void Fields::List(std::string_view key,
                  absl::FunctionRef<void(const YamlNode& item, const std::string& path)> each) {
  const YamlEntry* entry = Get(key);
  if (entry == nullptr || entry->value.kind == YamlNode::Kind::kNull) return;
  if (entry->value.kind != YamlNode::Kind::kList) {
    Error(key, KindProblem(entry->value, "a list (`- item` lines)"));
    return;
  }
  const std::vector<YamlNode>& items = entry->value.items;
  if (items.size() > kEntriesMax) {
    Error(key, base::StrCat("has ", items.size(), " items; at most ", kEntriesMax, " are allowed"));
    return;
  }
  for (size_t i = 0; i < items.size(); ++i) {
    each(items[i], base::StrCat(PathOf(key), "[", i, "]"));
  }
}

void Fields::Texts(std::string_view key, std::vector<std::string>* out, Check check) {
  std::unordered_set<std::string> seen;
  List(key, [&](const YamlNode& item, const std::string& path) {
    std::optional<Expanded> value = Scalar(item, item.place, path);
    if (!value) return;
    std::string problem = check(value->text);
    if (problem.empty() && !seen.insert(value->text).second) problem = "is in the list twice";
    if (problem.empty()) {
      out->push_back(std::move(value->text));
    } else {
      context_.errors.Add(item.place, path, base::StrCat(Shown(item.scalar, *value), " ", problem));
    }
  });
}

// Returns what is wrong.
std::string Fields::FileContent(const Expanded& path, std::string_view shown,
                                std::string* content) {
  if (const std::string problem = CheckPath(path.text); !problem.empty()) {
    return base::StrCat(shown, " ", problem);
  }
  if (!context_.read_file) return "files cannot be read here";
  absl::StatusOr<std::string> read =
      context_.read_file(Resolve(context_.folder, path.text), kSecretFileBytesMax);
  if (!read.ok()) {
    return base::StrCat(shown, " cannot be read: ", read.status().message());
  }
  if (!read->empty() && read->back() == '\n') read->pop_back();
  if (!read->empty() && read->back() == '\r') read->pop_back();
  *content = *std::move(read);
  return "";
}

std::optional<std::string> Fields::File(std::string_view key, Check check) {
  std::string shown;
  const std::optional<Expanded> path = Scalar(key, Presence::kOptional, &shown);
  if (!path) return std::nullopt;
  std::string content;
  std::string problem = FileContent(*path, shown, &content);
  if (problem.empty()) {
    const std::string wrong = check(content);
    if (wrong.empty()) return content;
    problem = base::StrCat("the content of ", shown, " ", wrong);
  }
  Error(key, problem);
  return std::nullopt;
}

std::optional<SecretValue> Fields::Secret(std::string_view key, std::string_view file_key,
                                          Check check) {
  const bool has_file = Get(file_key) != nullptr;
  const bool has_value = Get(key) != nullptr;
  if (has_file && has_value) {
    Error(file_key, base::StrCat("is given together with ", key, "; remove one of them"));
    return std::nullopt;
  }
  if (!has_file && !has_value) return SecretValue{};
  std::string shown;
  const std::string_view given = has_file ? file_key : key;
  std::optional<Expanded> value = Scalar(given, Presence::kOptional, &shown);
  if (!value) return std::nullopt;
  SecretValue secret{value->text, std::string(given), value->variables};
  std::string subject = "the value, which is not shown,";
  if (has_file && !value->text.empty()) {
    const std::string problem = FileContent(*value, shown, &secret.text);
    if (!problem.empty()) {
      Error(given, problem);
      return std::nullopt;
    }
    subject = base::StrCat("the content of ", shown);
  }
  if (const std::string problem = secret.text.empty() ? "" : check(secret.text); !problem.empty()) {
    Error(given, base::StrCat(subject, " ", problem));
    return std::nullopt;
  }
  return secret;
}

void Fields::Finish() {
  for (const YamlEntry& entry : node_.entries) {
    if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
    if (context_.errors.full()) {
      context_.errors.Add(entry.place, "", "");
      continue;
    }
    std::string message = "is not known here; ";
    if (const auto near = base::NearestNames(entry.key, known_, 1); !near.empty()) {
      base::StrAppend(&message, "did you mean ", near[0], "?");
    } else {
      std::vector<std::string> allowed(known_.begin(), known_.end());
      std::sort(allowed.begin(), allowed.end());
      allowed.erase(std::unique(allowed.begin(), allowed.end()), allowed.end());
      base::StrAppend(&message, "allowed: ", Enumerate(allowed, " and "));
    }
    context_.errors.Add(entry.place, PathOf(ShownKey(entry.key)), message);
  }
}

}  // namespace pingti::config
