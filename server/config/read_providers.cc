// `providers:`. A provider with an empty base_url or API key is off, which is no error.
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

// An empty one is like none, so that it may come from the environment.
void ReadTierName(Fields& fields, const YamlNode& node, Provider* provider) {
  const std::optional<Expanded> tier = fields.Raw("tier");
  if (!tier || tier->text.empty()) return;
  if (const std::string problem = CheckModelName(tier->text); !problem.empty()) {
    fields.Error("tier", base::StrCat(Shown(node.Find("tier")->value.scalar, *tier), " ", problem));
    return;
  }
  provider->tier = tier->text;
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
  ReadTierName(fields, node, &provider);
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
