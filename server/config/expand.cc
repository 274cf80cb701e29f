#include "server/config/expand.h"

#include <algorithm>

#include "server/base/strings.h"
#include "server/base/text.h"

namespace pingti::config {

namespace {

bool IsVariableName(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// Appends what `${reference}` stands for.
void AppendVariable(std::string_view reference, const Environment& environment, Expanded* out) {
  const size_t colon = reference.find(":-");
  const std::string_view name = reference.substr(0, colon);
  if (!IsVariableName(name)) {
    out->problem =
        "has ${...} with a name that is none; write ${NAME} or ${NAME:-default}, and $$ "
        "for a dollar sign";
    return;
  }
  out->variables.emplace_back(name);
  const auto found = environment.find(name);
  const bool has_default = colon != std::string_view::npos;
  std::string_view value;
  if (found != environment.end() && !(has_default && found->second.empty())) {
    value = found->second;
  } else if (has_default) {
    value = reference.substr(colon + 2);
  } else {
    out->problem = base::StrCat("needs the environment variable ", name,
                                ", which is not set; set it, or write ${", name, ":-default}");
    return;
  }
  if (value.size() > kValueBytesMax - out->text.size()) {
    out->problem = base::StrCat("becomes longer than ", kValueBytesMax, " bytes with ", name);
    return;
  }
  if (!base::IsValidUtf8(value)) {
    out->problem = base::StrCat("gets bytes from ", name, " that are not UTF-8");
    return;
  }
  out->text.append(value);
}

}  // namespace

Expanded Expand(std::string_view raw, const Environment& environment) {
  Expanded out;
  if (raw.size() > kValueBytesMax) {
    out.problem = base::StrCat("is longer than ", kValueBytesMax, " bytes");
    return out;
  }
  size_t at = 0;
  while (at < raw.size() && out.problem.empty()) {
    const size_t dollar = std::min(raw.find('$', at), raw.size());
    out.text.append(raw.substr(at, dollar - at));
    at = dollar;
    if (at == raw.size()) break;
    const char next = at + 1 < raw.size() ? raw[at + 1] : '\0';
    if (next == '$') {
      out.text.push_back('$');
      at += 2;
      continue;
    }
    const size_t end = next == '{' ? raw.find('}', at) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out.problem = next == '{' ? "has ${ without its }"
                                : "has a single $; write $$ for a dollar "
                                  "sign or ${NAME} for a variable";
      break;
    }
    AppendVariable(raw.substr(at + 2, end - at - 2), environment, &out);
    at = end + 1;
  }
  if (out.text.size() > kValueBytesMax && out.problem.empty()) {
    out.problem = base::StrCat("becomes longer than ", kValueBytesMax, " bytes");
  }
  return out;
}

}  // namespace pingti::config
