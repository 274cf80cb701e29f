// The part of the configuration that says where calls can be served: providers, models, aliases,
// and what is done when one of them fails. See config.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/config/prices.h"
#include "server/config/secret.h"

namespace pingti::config {

// The five timers of an attempt. Each above 0. An answer that is not streamed comes in one piece:
// only connect and total apply to it.
struct Timeouts {
  absl::Duration connect = absl::Seconds(5);
  absl::Duration first_token = absl::Seconds(60);   // start of the attempt to the first content
  absl::Duration silence = absl::Seconds(60);       // no bytes at all, after the first content
  absl::Duration content_gap = absl::Seconds(120);  // no more content; keep-alives do not count
  absl::Duration total = absl::Minutes(10);
};

// Those timers that a model or an alias sets itself.
struct PartialTimeouts {
  std::optional<absl::Duration> connect;
  std::optional<absl::Duration> first_token;
  std::optional<absl::Duration> silence;
  std::optional<absl::Duration> content_gap;
  std::optional<absl::Duration> total;

  Timeouts Over(Timeouts base) const {
    base.connect = connect.value_or(base.connect);
    base.first_token = first_token.value_or(base.first_token);
    base.silence = silence.value_or(base.silence);
    base.content_gap = content_gap.value_or(base.content_gap);
    base.total = total.value_or(base.total);
    return base;
  }
};

// Most keys of one provider, and most targets of one alias.
inline constexpr size_t kProviderKeysMax = 16;
inline constexpr size_t kAliasTargetsMax = 16;

// What is spoken to a provider. kHttp2: over https what ALPN agrees on, which is HTTP/1.1 where the
// provider has no HTTP/2; over http HTTP/2 from the first byte, without asking.
enum class HttpVersion { kHttp1, kHttp2 };

// One of our keys at a provider. `keys:` of the provider; `api_key:` and `tier:` there are short
// for a single one without a name.
struct ProviderKey {
  std::string name;  // 1 to 64 of a-z, 0-9, `-`; empty: the only one
  Secret api_key;    // empty: the key is off, unless the provider wants none
  int weight = 1;    // share of the calls among the keys that can be used; 1 to 1,000
  // The tier that we bought there, name of an entry of `tiers:`: its limits are kept for this key.
  // Empty: none known.
  std::string tier;
};

// One entry of `providers:`.
struct Provider {
  std::string name;      // 1 to 64 of a-z, 0-9, `-`
  std::string dialect;   // `openai`
  std::string base_url;  // http or https, no path slash at the end; empty: the provider is off
  Secret api_key;        // empty: off, unless no_key or keys
  bool no_key = false;   // the provider wants none; nothing is sent
  // Its host may be in a private network. Default: true where base_url names an address or
  // localhost, false for any other name, so that no name can lead our keys into our own networks.
  bool private_network = false;
  HttpVersion http_version = HttpVersion::kHttp1;  // `1.1` or `2`
  // `ca_file:` certificates of the authorities that may vouch for it, PEM. Null: the system's.
  std::shared_ptr<const std::string> ca_pem;
  // Serves, under its own name or `upstream_model`, each catalogue model whose own provider is off.
  bool serves_any_model = false;
  std::string upstream_model;  // with serves_any_model: asked for instead of the model's own name
  Timeouts timeouts;           // `timeouts:` of the provider over the global ones
  std::vector<std::string> unsupported_fields;  // for every model there
  int connections_max = 2048;     // kept open, per worker, summed over providers; 1 to 65,536
  std::string tier;               // of the single key
  std::vector<ProviderKey> keys;  // instead of api_key; up to kProviderKeysMax

  // The keys that can be used; at least one where the provider is on.
  std::vector<ProviderKey> UsableKeys() const {
    std::vector<ProviderKey> usable;
    for (const ProviderKey& key : keys) {
      if (!key.api_key.empty()) usable.push_back(key);
    }
    if (keys.empty() && (no_key || !api_key.empty())) usable.push_back({"", api_key, 1, tier});
    return usable;
  }
  bool on() const {
    if (base_url.empty()) return false;
    return no_key || !api_key.empty() ||
           std::any_of(keys.begin(), keys.end(), [](const auto& k) { return !k.api_key.empty(); });
  }
};

// One entry of `models:` (the catalogue).
struct Model {
  std::string name;
  std::string provider;           // name of an entry of `providers:`
  std::string upstream_model;     // default: name
  std::string model_class;        // by which quotas count it; default: name
  int64_t context_tokens = 0;     // from 1
  int64_t output_tokens_max = 0;  // 0: whatever the context leaves
  bool vision = false;
  bool tools = false;
  bool system_messages = true;
  bool developer_role = false;
  std::string max_tokens_field = "max_tokens";
  std::vector<std::string> unsupported_fields;  // beside those of the provider
  // Where the caller sets no limit for the output, the one that the reservation assumed is sent.
  bool forward_output_cap = false;
  bool verified = false;
  std::string source;                // where the facts come from
  PartialTimeouts timeouts;          // over those of the provider
  std::vector<PriceVersion> prices;  // by date, one for each; empty: unknown
  std::optional<Unpriced> unpriced;  // absent: as `billing:` says
};

// One of the models that can serve an alias.
struct AliasTarget {
  std::string model;  // name of an entry of `models:`
  int priority = 0;   // lower ones are tried first; 0 to 100
  int weight = 100;   // share of the calls among those with the same priority; 1 to 1,000
};

// One entry of `aliases:`: callers that ask for `name` are served by `to`, or by `targets` in their
// order. With `to`, where no provider of that is on and `name` is itself a model that can be
// served, that one serves.
struct Alias {
  std::string name;
  std::string to;
  std::vector<AliasTarget> targets;  // instead of `to`; 1 to kAliasTargetsMax
  PartialTimeouts timeouts;          // over those of the models
  // A stream whose first token is late may be tried at a second target beside it.
  bool hedge = false;
  std::optional<Unpriced> unpriced;  // over those of the models

  std::vector<AliasTarget> Targets() const {
    return targets.empty() ? std::vector<AliasTarget>{{to}} : targets;
  }
};

// `routing:` what is done when a target fails.
struct Routing {
  int attempts_max = 3;  // of one call, 1 to 10
  // A key that the provider refuses, or whose account has no money left, is not used for so long.
  // With 0, here and in the next two, nothing rests.
  absl::Duration refused_key_for = absl::Minutes(10);
  // A provider that does not serve our region, or whose host is not known any more, is out for so
  // long.
  absl::Duration lost_provider_for = absl::Hours(1);
  // A key that is rate limited rests for as long as the provider says, but no longer than this.
  absl::Duration rate_limited_for_max = absl::Minutes(10);
  // A target that fails so often in a row, or in half of at least four times as many attempts
  // within 10 s, is out of use for `breaker_open_for`, times the failed
  // probes, up to `breaker_open_for_max`.
  int breaker_failures = 5;  // 1 to 1,000
  absl::Duration breaker_open_for = absl::Seconds(30);
  absl::Duration breaker_open_for_max = absl::Minutes(5);
};

}  // namespace pingti::config
