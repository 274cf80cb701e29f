// What a text in the configuration may be: durations, sizes, addresses, names.
//
// Pure functions. A `Check...` returns what is wrong with a value and what is allowed, in words
// that follow the value itself ("... is not an http or https URL; write ..."); empty: nothing is
// wrong.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "server/config/config.h"

namespace pingti::config {

// A whole number in decimal digits, `-` allowed; nothing where it is none or does not fit.
std::optional<int64_t> ParseInteger(std::string_view text);

// `250ms`, `5s`, `2m`, `1h`; nothing where it is none.
std::optional<absl::Duration> ParseDuration(std::string_view text);

// `2024-06-01`; nothing where it is none.
std::optional<absl::CivilDay> ParseDate(std::string_view text);

// Bytes: `1500`, `64KiB`, `20MiB`, `1GiB`; nothing where it is none or does not fit.
std::optional<int64_t> ParseBytes(std::string_view text);

// `20MiB`, `1500`.
std::string FormatBytes(int64_t bytes);

// `http` or `https`, a host, an optional port and path; no user, query, fragment or slash at the
// end.
std::string CheckBaseUrl(std::string_view text);

// Whether the host of a base URL is an IP address, or localhost. REQUIRES: CheckBaseUrl(text).
bool HostIsAddress(std::string_view text);

// True where a text that should be a URL may hold a password or key and must not be shown.
bool UrlMayHoldSecret(std::string_view text);

// `host:port`, `[ipv6]:port`.
std::string CheckAddress(std::string_view text);

// Providers and tenants: 1 to 64 of a-z, 0-9 and `-`.
std::string CheckName(std::string_view text);

// Models, aliases, classes, tiers: 1 to 128 visible ASCII characters, without `$` and quotes.
std::string CheckModelName(std::string_view text);

// Identities of a peer's certificate: 1 to 256 ASCII characters that can be seen, spaces inside.
std::string CheckIdentity(std::string_view text);

// API keys of providers: visible ASCII characters, because they become a header.
std::string CheckApiKey(std::string_view text);

// A path of a file.
std::string CheckPath(std::string_view text);
std::string CheckCertificates(std::string_view text);  // PEM

// A store: `host:port`, or `unix:` and the path of a socket.
std::string CheckStoreAddress(std::string_view text);

// A user of a store: up to 128 visible ASCII characters; may be empty.
std::string CheckUser(std::string_view text);

// A password: any text of one line.
std::string CheckPassword(std::string_view text);

// What names in a store begin with: 1 to 32 of a-z, 0-9 and `-`.
std::string CheckPrefix(std::string_view text);

// One line of text for people, at most 500 bytes.
std::string CheckRemark(std::string_view text);

std::string CheckDialect(std::string_view text);
std::string CheckMaxTokensField(std::string_view text);
std::string CheckReservePolicy(std::string_view text);
std::string CheckStoreDownPolicy(std::string_view text);
std::string CheckCurrency(std::string_view text);
std::string CheckUnpriced(std::string_view text);
std::string CheckHttpVersion(std::string_view text);

// A request parameter that a model may be declared not to know (TargetTraits::unsupported_fields).
std::string CheckUnsupportedField(std::string_view text);

// `pt_<public id>:<SHA-256 of the key as 64 hex digits>`; nothing where it is none.
std::optional<KeyRecord> ParseKeyRecord(std::string_view text);

}  // namespace pingti::config
