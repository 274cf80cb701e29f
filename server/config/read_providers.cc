// `providers:`. A provider with an empty base_url or API key is off, which is no error.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "server/base/strings.h"
#include "server/config/sections.h"
#include "server/config/value.h"

namespace pingti::config {

namespace {

void ReadBaseUrl(Fields& fields, const YamlNode& node, ProviderDraft* draft) {
  const std::optional<Expanded> url = fields.Raw("base_url", Presence::kRequired);
  if (!url) return;
  if (url->text.empty()) {
    draft->empty_keys.push_back("base_url");
    draft->variables.insert(draft->variables.end(), url->variables.begin(), url->variables.end());
    return;
  }
  const std::string problem = CheckBaseUrl(url->text);
  if (problem.empty()) {
    draft->provider.base_url = url->text;
    draft->provider.private_network = HostIsAddress(url->text);
    return;
  }
  const std::string shown = UrlMayHoldSecret(url->text)
                                ? "the value, which is not shown,"
                                : Shown(node.Find("base_url")->value.scalar, *url);
  fields.Error("base_url", base::StrCat(shown, " ", problem));
}

void ReadApiKey(Fields& fields, ProviderDraft* draft) {
  Provider& provider = draft->provider;
  const std::optional<SecretValue> secret = fields.Secret("api_key", "api_key_file", CheckApiKey);
  if (!secret) return;
  if (fields.Get("keys") != nullptr) {
    if (!secret->key.empty()) fields.Error(secret->key, "is given beside `keys`; give one of them");
    return;
  }
  if (provider.no_key) {
    if (!secret->key.empty()) {
      fields.Error(secret->key, "is given although no_key is true; remove one of them");
    }
    return;
  }
  if (secret->key.empty()) {
    fields.Error("api_key", "is missing; write api_key, api_key_file, or no_key: true");
  } else if (secret->text.empty()) {
    draft->empty_keys.push_back(secret->key);
    draft->variables.insert(draft->variables.end(), secret->variables.begin(),
                            secret->variables.end());
  } else {
    provider.api_key = Secret(secret->text);
  }
}

void ReadHttpVersion(Fields& fields, HttpVersion* out) {
  std::string version;
  if (!fields.Text("http_version", &version, CheckHttpVersion)) return;
  *out = version == "2" ? HttpVersion::kHttp2 : HttpVersion::kHttp1;
}

void ReadAuthorities(Fields& fields, Provider* provider) {
  auto pem = fields.File("ca_file", CheckCertificates);
  if (pem) provider->ca_pem = std::make_shared<const std::string>(*std::move(pem));
}

// An empty one is like none, so that it may come from the environment.
void ReadTierName(Fields& fields, const YamlNode& node, std::string* out) {
  const std::optional<Expanded> tier = fields.Raw("tier");
  if (!tier || tier->text.empty()) return;
  if (const std::string problem = CheckModelName(tier->text); !problem.empty()) {
    fields.Error("tier", base::StrCat(Shown(node.Find("tier")->value.scalar, *tier), " ", problem));
    return;
  }
  *out = tier->text;
}

// `variables`: appends those whose values would fill an empty key.
void ReadKey(const YamlNode& node, const std::string& path, Context& context, Provider& provider,
             std::vector<std::string>* variables) {
  ProviderKey key;
  Fields fields(node, path, context);
  const bool named = fields.Text("name", &key.name, CheckName, Presence::kRequired);
  const auto secret = fields.Secret("api_key", "api_key_file", CheckApiKey);
  if (secret && secret->key.empty()) {
    fields.Error("api_key", "is missing; write api_key or api_key_file");
  } else if (secret && secret->text.empty()) {
    variables->insert(variables->end(), secret->variables.begin(), secret->variables.end());
  } else if (secret) {
    key.api_key = Secret(secret->text);
  }
  fields.Integer("weight", &key.weight, 1, 1'000);
  ReadTierName(fields, node, &key.tier);
  fields.Finish();
  const bool is_twice =
      std::any_of(provider.keys.begin(), provider.keys.end(),
                  [&](const ProviderKey& other) { return other.name == key.name; });
  if (named && is_twice) fields.Error("name", "is the name of another key of this provider, too");
  provider.keys.push_back(std::move(key));
}

void ReadKeys(Fields& fields, Context& context, ProviderDraft* draft) {
  Provider& provider = draft->provider;
  if (fields.Get("keys") == nullptr) return;
  const size_t errors_before = context.errors.count();
  std::vector<std::string> variables;
  fields.List("keys", [&](const YamlNode& node, const std::string& path) {
    std::vector<std::string> of_key;
    ReadKey(node, path, context, provider, &of_key);
    if (variables.empty()) variables = std::move(of_key);
  });
  const bool is_read = context.errors.count() == errors_before;
  const size_t count = provider.keys.size();
  if (provider.no_key) {
    fields.Error("keys", "is given although no_key is true; remove one of them");
  } else if ((count == 0 && is_read) || count > kProviderKeysMax) {
    fields.Error("keys",
                 base::StrCat("has ", count, " keys; 1 to ", kProviderKeysMax, " are allowed"));
  } else if (!provider.tier.empty()) {
    fields.Error("tier", "is given beside `keys`; each key has a tier of its own");
  }
  const bool any = std::any_of(provider.keys.begin(), provider.keys.end(),
                               [](const ProviderKey& key) { return !key.api_key.empty(); });
  if (any) return;
  // One of them is enough to switch it on.
  draft->empty_keys.push_back("each of its keys");
  draft->variables.insert(draft->variables.end(), variables.begin(), variables.end());
}

void ReadProvider(const YamlNode& node, const std::string& path, Context& context, Draft& draft) {
  const size_t errors_before = context.errors.count();
  ProviderDraft entry;
  Provider& provider = entry.provider;
  provider.timeouts = draft.timeouts;
  Fields fields(node, path, context);
  const bool named = fields.Text("name", &provider.name, CheckName, Presence::kRequired);
  fields.Text("dialect", &provider.dialect, CheckDialect, Presence::kRequired);
  fields.Bool("no_key", &provider.no_key);
  ReadBaseUrl(fields, node, &entry);
  fields.Bool("private_network", &provider.private_network);
  ReadHttpVersion(fields, &provider.http_version);
  ReadAuthorities(fields, &provider);
  ReadApiKey(fields, &entry);
  fields.Bool("serves_any_model", &provider.serves_any_model);
  const bool maps_models = fields.Text("upstream_model", &provider.upstream_model, CheckModelName);
  if (maps_models && !provider.serves_any_model) {
    fields.Error("upstream_model",
                 "is given without serves_any_model: true; add that, or give "
                 "upstream_model to the models of this provider");
  }
  if (const YamlEntry* timeouts = fields.Get("timeouts")) {
    ReadTimeouts(*timeouts, fields.PathOf("timeouts"), context, &provider.timeouts);
  }
  fields.Texts("unsupported_fields", &provider.unsupported_fields, CheckUnsupportedField);
  fields.Integer("connections_max", &provider.connections_max, 1, 65'536);
  ReadTierName(fields, node, &provider.tier);
  ReadKeys(fields, context, &entry);
  fields.Finish();
  entry.doubtful = context.errors.count() != errors_before;
  if (named && AddEntry(provider.name, provider.name, node, path, context, &draft.provider_names)) {
    draft.providers.push_back(std::move(entry));
  } else {
    draft.provider_names.complete = false;
  }
}

}  // namespace

void ReadProviders(Fields& root, Context& context, Draft& draft) {
  root.List("providers", [&](const YamlNode& node, const std::string& path) {
    ReadProvider(node, path, context, draft);
  });
}

}  // namespace pingti::config
