#include "server/config/value.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <vector>

#include "server/base/strings.h"
#include "server/base/text.h"
#include "server/config/diagnostics.h"

namespace pingti::config {

namespace {

constexpr size_t kNameBytesMax = 64;
constexpr size_t kModelNameBytesMax = 128;
constexpr size_t kApiKeyBytesMax = 8 * 1024;
constexpr size_t kIdentityBytesMax = 256;
constexpr size_t kUrlBytesMax = 2048;
constexpr size_t kPathBytesMax = 4096;
constexpr size_t kRemarkBytesMax = 500;
constexpr size_t kHostBytesMax = 255;
constexpr size_t kSocketPathBytesMax = 107;  // of sockaddr_un
constexpr size_t kPrefixBytesMax = 32;
constexpr size_t kPublicIdBytesMin = 4;
constexpr size_t kPublicIdBytesMax = 32;
constexpr size_t kSha256HexBytes = 64;
constexpr int64_t kDurationCountMax = 1'000'000'000;  // of any unit

// Fields of CompletionSpec that a model may not know, and `stream_usage`: the request for usage at
// the end of a stream.
constexpr std::string_view kUnsupportedFields[] = {
    "sampling.temperature",
    "sampling.top_p",
    "sampling.max_output_tokens",
    "sampling.stop",
    "sampling.n",
    "sampling.seed",
    "sampling.presence_penalty",
    "sampling.frequency_penalty",
    "sampling.logit_bias",
    "sampling.logprobs",
    "sampling.top_logprobs",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning_effort",
    "provider_fields_json",
    "user",
    "stream_usage",
};

constexpr std::string_view kDialects[] = {"openai"};
constexpr std::string_view kReservePolicies[] = {"likely", "strict"};
constexpr std::string_view kStoreDownPolicies[] = {"local", "deny", "allow"};
constexpr std::string_view kCurrencies[] = {"CNY", "USD"};
constexpr std::string_view kUnpriced[] = {"free", "refuse"};
constexpr std::string_view kHttpVersions[] = {"1.1", "2"};
constexpr std::string_view kMaxTokensFields[] = {"max_tokens", "max_completion_tokens"};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsVisible(char c) { return c > 0x20 && c < 0x7F; }
bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || IsDigit(c); }
bool IsHexDigit(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

template <typename Predicate>
bool All(std::string_view text, Predicate predicate) {
  return std::all_of(text.begin(), text.end(), predicate);
}

// `hex` has hexadecimal digits only. Not absl::HexStringToBytes(): newer releases deprecate the one
// form of it that Debian 12 has.
std::string BytesOfHex(std::string_view hex) {
  std::string bytes(hex.size() / 2, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    unsigned char byte = 0;
    std::from_chars(hex.data() + 2 * i, hex.data() + 2 * i + 2, byte, 16);
    bytes[i] = static_cast<char>(byte);
  }
  return bytes;
}

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

// Splits `12ms` into 12 and `ms`.
std::optional<int64_t> SplitUnit(std::string_view text, std::string_view* unit) {
  const auto end = std::find_if_not(text.begin(), text.end(), IsDigit);
  const size_t digits = static_cast<size_t>(end - text.begin());
  *unit = text.substr(digits);
  return ParseInteger(text.substr(0, digits));
}

std::string CheckOneOf(std::string_view text, std::span<const std::string_view> allowed) {
  if (std::find(allowed.begin(), allowed.end(), text) != allowed.end()) return "";
  std::string problem = "is not known here; ";
  if (const auto near = base::NearestNames(text, allowed, 1); !near.empty()) {
    base::StrAppend(&problem, "did you mean ", near[0], "? ");
  }
  base::StrAppend(&problem, "allowed: ",
                  Enumerate(std::vector<std::string>(allowed.begin(), allowed.end()), " or "));
  return problem;
}

bool IsPort(std::string_view text, int64_t min) {
  const std::optional<int64_t> port = ParseInteger(text);
  return port && *port >= min && *port <= 65535 && text.size() <= 5 && IsDigit(text[0]);
}

// A DNS name or IPv4 address, or an IPv6 address in brackets. Whether it resolves is not asked.
bool IsHost(std::string_view host) {
  if (host.empty() || host.size() > kHostBytesMax) return false;
  if (host.front() == '[') {
    if (host.size() < 4 || host.back() != ']') return false;
    const std::string_view address = host.substr(1, host.size() - 2);
    return address.find(':') != std::string_view::npos &&
           All(address, [](char c) { return IsHexDigit(c) || c == ':' || c == '.'; });
  }
  if (host.front() == '.' || host.front() == '-') return false;
  return host.find("..") == std::string_view::npos &&
         All(host, [](char c) { return IsLetter(c) || IsDigit(c) || c == '.' || c == '-'; });
}

// Splits at the colon before the port; false where there is none.
bool SplitPort(std::string_view authority, std::string_view* host, std::string_view* port) {
  const size_t colon = authority.rfind(':');
  const size_t bracket = authority.rfind(']');
  if (colon == std::string_view::npos) return false;
  if (bracket != std::string_view::npos && bracket > colon) return false;
  *host = authority.substr(0, colon);
  *port = authority.substr(colon + 1);
  return true;
}

}  // namespace

std::optional<int64_t> ParseInteger(std::string_view text) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::optional<absl::Duration> ParseDuration(std::string_view text) {
  std::string_view unit;
  const std::optional<int64_t> count = SplitUnit(text, &unit);
  if (!count || *count > kDurationCountMax) return std::nullopt;
  if (unit == "ms") return absl::Milliseconds(*count);
  if (unit == "s") return absl::Seconds(*count);
  if (unit == "m") return absl::Minutes(*count);
  if (unit == "h") return absl::Hours(*count);
  return std::nullopt;
}

std::optional<absl::CivilDay> ParseDate(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const std::string_view parts[] = {text.substr(0, 4), text.substr(5, 2), text.substr(8, 2)};
  int64_t numbers[3] = {};
  for (int i = 0; i < 3; ++i) {
    if (!All(parts[i], IsDigit)) return std::nullopt;
    numbers[i] = *ParseInteger(parts[i]);
  }
  const absl::CivilDay day(numbers[0], numbers[1], numbers[2]);
  // Others, like the 31st of June, become another day.
  if (day.month() != numbers[1] || day.day() != numbers[2]) return std::nullopt;
  return day;
}

std::optional<int64_t> ParseBytes(std::string_view text) {
  std::string_view unit;
  const std::optional<int64_t> count = SplitUnit(text, &unit);
  int shift = -1;
  if (unit.empty()) shift = 0;
  if (unit == "KiB") shift = 10;
  if (unit == "MiB") shift = 20;
  if (unit == "GiB") shift = 30;
  if (!count || shift < 0 || *count > (INT64_MAX >> shift)) return std::nullopt;
  return *count << shift;
}

std::string FormatBytes(int64_t bytes) {
  if (bytes != 0 && bytes % (1 << 30) == 0) return base::StrCat(bytes >> 30, "GiB");
  if (bytes != 0 && bytes % (1 << 20) == 0) return base::StrCat(bytes >> 20, "MiB");
  if (bytes != 0 && bytes % (1 << 10) == 0) return base::StrCat(bytes >> 10, "KiB");
  return base::StrCat(bytes);
}

std::string CheckBaseUrl(std::string_view text) {
  constexpr std::string_view kExample = "; write for example https://api.openai.com/v1";
  size_t scheme = 0;
  if (StartsWith(text, "http://")) scheme = 7;
  if (StartsWith(text, "https://")) scheme = 8;
  if (scheme == 0) return base::StrCat("is not an http or https URL", kExample);
  if (text.size() > kUrlBytesMax) return base::StrCat("is longer than ", kUrlBytesMax, " bytes");
  const std::string_view rest = text.substr(scheme);
  const size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view authority = rest.substr(0, slash);
  if (authority.find('@') != std::string_view::npos) {
    return "has a user or password in it; remove that and use api_key or api_key_file";
  }
  if (text.find_first_of("?#") != std::string_view::npos) {
    return base::StrCat("has a query or fragment (? or #), which is not allowed", kExample);
  }
  std::string_view host = authority;
  std::string_view port = "1";
  SplitPort(authority, &host, &port);
  if (!IsHost(host) || !IsPort(port, 1)) {
    return base::StrCat("has no valid host and port after ", text.substr(0, scheme), kExample);
  }
  if (text.back() == '/') return "ends with a slash; remove it";
  const bool path_good = All(rest.substr(slash), [](char c) {
    return IsLetter(c) || IsDigit(c) ||
           std::string_view("/-._~%!$&'()*+,;=:@").find(c) != std::string_view::npos;
  });
  return path_good ? "" : "has a character in its path that is not allowed there; encode it as %XX";
}

bool HostIsAddress(std::string_view text) {
  std::string_view rest = text.substr(text.find("://") + 3);
  if (rest.front() == '[') return true;
  const std::string_view host = rest.substr(0, rest.find_first_of(":/"));
  return host == "localhost" || All(host, [](char c) { return IsDigit(c) || c == '.'; });
}

bool UrlMayHoldSecret(std::string_view text) {
  return text.find_first_of("@?#") != std::string_view::npos ||
         text.find("://") == std::string_view::npos;
}

std::string CheckAddress(std::string_view text) {
  std::string_view host;
  std::string_view port;
  if (SplitPort(text, &host, &port) && IsHost(host) && IsPort(port, 0)) return "";
  return "is not host:port; write for example 127.0.0.1:50051 or [::1]:50051, with port 0 for any "
         "free one";
}

std::string CheckName(std::string_view text) {
  const bool good = !text.empty() && text.size() <= kNameBytesMax &&
                    All(text, [](char c) { return IsLowerOrDigit(c) || c == '-'; });
  return good ? "" : "is not a name; write 1 to 64 of a-z, 0-9 and -";
}

std::string CheckModelName(std::string_view text) {
  const bool good = !text.empty() && text.size() <= kModelNameBytesMax && All(text, [](char c) {
    return IsVisible(c) && c != '"' && c != '\'' && c != '\\' && c != '$';
  });
  return good ? ""
              : "is not a name; write 1 to 128 ASCII letters, digits and signs, without spaces "
                "and quotes";
}

std::string CheckIdentity(std::string_view text) {
  const bool good = !text.empty() && text.size() <= kIdentityBytesMax && text.front() != ' ' &&
                    text.back() != ' ' &&
                    All(text, [](char c) { return IsVisible(c) || c == ' '; });
  return good ? ""
              : "is not an identity of a certificate; write a SPIFFE URI such as "
                "spiffe://company/billing, a DNS name or a subject, 1 to 256 ASCII characters";
}

std::string CheckApiKey(std::string_view text) {
  if (text.size() > kApiKeyBytesMax) {
    return base::StrCat("is longer than ", kApiKeyBytesMax, " bytes");
  }
  if (text.find_first_of("\r\n") != std::string_view::npos) {
    return "has a line break in it; an API key is one line of ASCII letters, digits and signs";
  }
  if (All(text, IsVisible)) return "";
  return "has a space, a control character or a character that is not ASCII in it; an API key is "
         "one line of ASCII letters, digits and signs";
}

std::string CheckCertificates(std::string_view text) {
  const bool has_one = text.find("-----BEGIN CERTIFICATE-----") != std::string_view::npos;
  return has_one ? "" : "has no certificate; write them in PEM";
}

std::string CheckPath(std::string_view text) {
  if (text.empty()) return "is empty; write the path of a file, relative to this one";
  if (text.size() <= kPathBytesMax && text.find('\0') == std::string_view::npos) return "";
  return base::StrCat("is not the path of a file; at most ", kPathBytesMax,
                      " bytes are allowed, and no NUL");
}

std::string CheckStoreAddress(std::string_view text) {
  constexpr std::string_view kUnix = "unix:";
  constexpr std::string_view kAllowed =
      "is not the address of a store; write host:port, for example 127.0.0.1:6379, or unix:/path "
      "of a socket";
  if (StartsWith(text, kUnix)) {
    const std::string_view path = text.substr(kUnix.size());
    if (!StartsWith(path, "/")) return std::string(kAllowed);
    if (path.size() <= kSocketPathBytesMax && All(path, IsVisible)) return "";
    return base::StrCat("has a path that no socket can have; at most ", kSocketPathBytesMax,
                        " visible ASCII characters are allowed");
  }
  std::string_view host;
  std::string_view port;
  if (SplitPort(text, &host, &port) && IsHost(host) && IsPort(port, 1)) return "";
  if (text.find('@') != std::string_view::npos || text.find("://") != std::string_view::npos) {
    return base::StrCat(kAllowed, "; user and password have keys of their own");
  }
  return std::string(kAllowed);
}

std::string CheckUser(std::string_view text) {
  const bool good = text.size() <= kModelNameBytesMax && All(text, IsVisible);
  return good ? "" : "is not the name of a user; write at most 128 visible ASCII characters";
}

std::string CheckPassword(std::string_view text) {
  if (text.size() > kApiKeyBytesMax) {
    return base::StrCat("is longer than ", kApiKeyBytesMax, " bytes");
  }
  const bool good = All(text, [](char c) { return static_cast<unsigned char>(c) >= 0x20; });
  return good ? "" : "has a line break or another control character in it";
}

std::string CheckPrefix(std::string_view text) {
  const bool good = !text.empty() && text.size() <= kPrefixBytesMax &&
                    All(text, [](char c) { return IsLowerOrDigit(c) || c == '-'; });
  return good ? "" : "is not a prefix; write 1 to 32 of a-z, 0-9 and -";
}

std::string CheckRemark(std::string_view text) {
  const bool good = text.size() <= kRemarkBytesMax &&
                    All(text, [](char c) { return static_cast<unsigned char>(c) >= 0x20; });
  return good ? "" : base::StrCat("is not one line of at most ", kRemarkBytesMax, " bytes");
}

std::string CheckDialect(std::string_view text) { return CheckOneOf(text, kDialects); }

std::string CheckMaxTokensField(std::string_view text) {
  return CheckOneOf(text, kMaxTokensFields);
}

std::string CheckReservePolicy(std::string_view text) { return CheckOneOf(text, kReservePolicies); }

std::string CheckStoreDownPolicy(std::string_view text) {
  return CheckOneOf(text, kStoreDownPolicies);
}

std::string CheckCurrency(std::string_view text) { return CheckOneOf(text, kCurrencies); }

std::string CheckUnpriced(std::string_view text) { return CheckOneOf(text, kUnpriced); }

std::string CheckHttpVersion(std::string_view text) { return CheckOneOf(text, kHttpVersions); }

std::string CheckUnsupportedField(std::string_view text) {
  return CheckOneOf(text, kUnsupportedFields);
}

std::optional<KeyRecord> ParseKeyRecord(std::string_view text) {
  if (!StartsWith(text, "pt_")) return std::nullopt;
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view public_id = text.substr(3, colon - 3);
  const std::string_view hex = text.substr(colon + 1);
  if (public_id.size() < kPublicIdBytesMin || public_id.size() > kPublicIdBytesMax ||
      !All(public_id, IsLowerOrDigit) || hex.size() != kSha256HexBytes || !All(hex, IsHexDigit)) {
    return std::nullopt;
  }
  KeyRecord record;
  record.public_id = std::string(public_id);
  record.sha256 = BytesOfHex(hex);
  return record;
}

}  // namespace pingti::config
