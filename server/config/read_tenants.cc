// `tenants:`, `admin_keys:` and the records of their API keys. An empty record is off, which is no
// error.
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "server/base/money.h"
#include "server/base/strings.h"
#include "server/config/sections.h"
#include "server/config/value.h"

namespace pingti::config {

namespace {

constexpr int kNanoDigits = 9;

// Somebody may have put the key itself where its record belongs, so the value is not shown.
std::string CheckKeyRecord(std::string_view text) {
  if (ParseKeyRecord(text)) return "";
  return "is not the record of an API key; write pt_<public id>:<SHA-256 of the whole key as 64 "
         "hex "
         "digits>, the public id being 4 to 32 of a-z and 0-9";
}

std::string CheckRight(std::string_view text) {
  if (FindKeyRight(text)) return "";
  return "is no right; write complete or read_account";
}

void ReadRights(Fields& fields, KeyRights* rights) {
  std::vector<std::string> names;
  const YamlEntry* list = fields.Get("rights");
  if (list == nullptr) return;
  fields.Texts("rights", &names, CheckRight);
  if (list->value.kind == YamlNode::Kind::kList && list->value.items.empty()) {
    fields.Error("rights", "is empty; write what the key may do, or leave it out for everything");
  }
  *rights = KeyRights::None();
  for (const std::string& name : names) rights->Add(*FindKeyRight(name));
}

std::string CheckPeriod(std::string_view text) {
  return FindBudgetPeriod(text) ? "" : "is no period of a budget; write day or month";
}

std::optional<KeyBudget> ReadBudget(Fields& key, Context& context) {
  const YamlEntry* section = key.Get("budget");
  if (section == nullptr) return std::nullopt;
  KeyBudget budget;
  std::string period;
  Fields fields(section->value, key.PathOf("budget"), context);
  const bool given = fields.Decimal("amount", &budget.nano, kNanoDigits,
                                    kKeyBudgetMax / base::kNanoPerUnit, Presence::kRequired);
  if (given && budget.nano == 0) {
    fields.Error("amount", "is 0; write how much, or take the right to complete from the key");
  }
  if (fields.Text("per", &period, CheckPeriod, Presence::kRequired)) {
    budget.period = *FindBudgetPeriod(period);
  }
  fields.Finish();
  return budget;
}

struct ReadRecord {
  KeyRecord record;
  std::string path;
  Place place;
};

// Nothing: it is wrong, or off. `what` names the key in the note about that.
std::optional<ReadRecord> ReadKeyRecord(const YamlNode& node, Fields& fields, std::string_view what,
                                        Draft& draft) {
  const std::optional<SecretValue> record = fields.Secret("record", "record_file", CheckKeyRecord);
  if (!record) return std::nullopt;
  if (record->key.empty()) {
    fields.Error("record", "is missing; write record or record_file");
    return std::nullopt;
  }
  if (record->text.empty()) {
    draft.notes.push_back(
        base::StrCat(what, ": off, ", record->key, " is empty",
                     record->variables.empty()
                         ? ""
                         : base::StrCat(" (set ", Enumerate(record->variables, " and "), ")")));
    return std::nullopt;
  }
  return ReadRecord{*ParseKeyRecord(record->text), fields.PathOf(record->key),
                    node.Find(record->key)->place};
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
  KeyRights rights;
  ReadRights(fields, &rights);
  const std::optional<KeyBudget> budget = ReadBudget(fields, context);
  std::optional<ReadRecord> read = ReadKeyRecord(
      node, fields, base::StrCat("API key ", path, " of tenant ", tenant->tenant.name), draft);
  if (read) {
    read->record.limits = limits;
    read->record.models = std::move(models);
    read->record.rights = rights;
    read->record.budget = budget;
    tenant->tenant.keys.push_back(std::move(read->record));
    tenant->record_paths.push_back(std::move(read->path));
    tenant->record_places.push_back(read->place);
    tenant->key_nodes.push_back(&node);
    tenant->key_paths.push_back(path);
  }
  fields.Finish();
}

void ReadAdminKey(const YamlNode& node, const std::string& path, Context& context, Draft& draft) {
  AdminKeyDraft entry;
  Fields fields(node, path, context);
  const bool named = fields.Text("name", &entry.key.name, CheckName, Presence::kRequired);
  std::optional<ReadRecord> read =
      ReadKeyRecord(node, fields, base::StrCat("admin key ", entry.key.name), draft);
  fields.Finish();
  const bool added =
      named && AddEntry(entry.key.name, entry.key.name, node, path, context, &draft.admin_names);
  if (!added || !read) return;
  entry.key.record = std::move(read->record);
  entry.record_path = std::move(read->path);
  entry.record_place = read->place;
  draft.admin_keys.push_back(std::move(entry));
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
  fields.Texts("identities", &tenant.identities, CheckIdentity);
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
  root.List("admin_keys", [&](const YamlNode& node, const std::string& path) {
    ReadAdminKey(node, path, context, draft);
  });
}

}  // namespace pingti::config
