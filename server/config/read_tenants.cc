// `tenants:` and the records of their API keys. An empty record is off, which is no error.
#include <optional>
#include <utility>

#include "server/base/strings.h"
#include "server/config/sections.h"
#include "server/config/value.h"

namespace pingti::config {

namespace {

// Somebody may have put the key itself where its record belongs, so the value is not shown.
std::string CheckKeyRecord(std::string_view text) {
  if (ParseKeyRecord(text)) return "";
  return "is not the record of an API key; write pt_<public id>:<SHA-256 of the whole key as 64 "
         "hex "
         "digits>, the public id being 4 to 32 of a-z and 0-9";
}

void ReadKey(const YamlNode& node, const std::string& path, Context& context, Draft& draft,
             TenantDraft* tenant) {
  Fields fields(node, path, context);
  ClassLimits limits;
  if (const YamlEntry* section = fields.Get("limits")) {
    ReadClassLimits(*section, fields.PathOf("limits"), context, &limits);
  }
  std::vector<std::string> models;
  fields.Texts("models", &models, CheckModelName);
  const std::optional<SecretValue> record = fields.Secret("record", "record_file", CheckKeyRecord);
  if (record && record->key.empty()) {
    fields.Error("record", "is missing; write record or record_file");
  } else if (record && record->text.empty()) {
    draft.notes.push_back(base::StrCat(
        "API key ", path, " of tenant ", tenant->tenant.name, ": off, ", record->key, " is empty",
        record->variables.empty()
            ? ""
            : base::StrCat(" (set ", Enumerate(record->variables, " and "), ")")));
  } else if (record) {
    tenant->tenant.keys.push_back(*ParseKeyRecord(record->text));
    tenant->tenant.keys.back().limits = limits;
    tenant->tenant.keys.back().models = std::move(models);
    tenant->key_nodes.push_back(&node);
    tenant->key_paths.push_back(path);
    tenant->record_paths.push_back(fields.PathOf(record->key));
    tenant->record_places.push_back(node.Find(record->key)->place);
  }
  fields.Finish();
}

void ReadTenant(const YamlNode& node, const std::string& path, Context& context, Draft& draft) {
  TenantDraft entry;
  Tenant& tenant = entry.tenant;
  Fields fields(node, path, context);
  const bool named = fields.Text("name", &tenant.name, CheckName, Presence::kRequired);
  fields.Text("tier", &tenant.tier, CheckModelName, Presence::kRequired);
  fields.Bool("suspended", &tenant.suspended);
  tenant.suspended |= tenant.tier == kClosedTier;
  if (const YamlEntry* section = fields.Get("limits")) {
    Fields table(section->value, fields.PathOf("limits"), context);
    ReadLimitTable(table, context, &tenant.limits);
    table.Finish();
  }
  fields.List("keys", [&](const YamlNode& key, const std::string& key_path) {
    ReadKey(key, key_path, context, draft, &entry);
  });
  fields.Texts("models", &tenant.models, CheckModelName);
  fields.Finish();
  if (named && AddEntry(tenant.name, tenant.name, node, path, context, &draft.tenant_names)) {
    draft.tenants.push_back(std::move(entry));
  }
}

}  // namespace

void ReadTenants(Fields& root, Context& context, Draft& draft) {
  root.List("tenants", [&](const YamlNode& node, const std::string& path) {
    ReadTenant(node, path, context, draft);
  });
}

}  // namespace pingti::config
