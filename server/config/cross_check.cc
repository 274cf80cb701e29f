// What no section can check alone: names that refer to other sections, and what must be unique over
// all of them.
#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/base/strings.h"
#include "server/base/text.h"
#include "server/config/sections.h"

namespace pingti::config {

namespace {

template <typename T>
void AppendNames(const Entries<T>& entries, std::vector<std::string_view>* names) {
  for (const auto& [name, position] : entries.by_name) names->push_back(name);
}

// `; did you mean x?` or the names that there are, if they are few.
std::string Suggestion(std::string_view name, std::vector<std::string_view> names) {
  constexpr size_t kNamesListedMax = 12;
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (const auto near = base::NearestNames(name, names, 1); !near.empty()) {
    return base::StrCat("; did you mean ", near[0], "?");
  }
  if (names.empty()) return "; there is none";
  if (names.size() > kNamesListedMax) return "";
  return base::StrCat("; there is ",
                      Enumerate(std::vector<std::string>(names.begin(), names.end()), " and "));
}

template <typename Entry>
void AddError(const Entry& entry, std::string_view key, std::string_view message,
              Context& context) {
  const YamlEntry* field = entry.node->Find(key);
  context.errors.Add(field == nullptr ? entry.node->place : field->place,
                     base::StrCat(entry.path, ".", key), message);
}

// Reports `name`, the value of `key`, where `entries` does not have it.
template <typename Entry, typename T>
void CheckRefers(const Entry& entry, std::string_view key, const std::string& name,
                 std::string_view what, const Entries<T>& entries, Context& context) {
  if (name.empty() || entries.Has(name) || !entries.complete) return;
  if (context.errors.full()) return context.errors.Add(entry.node->place, "", "");
  std::vector<std::string_view> names;
  AppendNames(entries, &names);
  AddError(entry, key,
           base::StrCat(Shown(entry.node->Find(key)->value.scalar, {}), " is not the name of a ",
                        what, Suggestion(name, names)),
           context);
}

// Reports `name`, the scalar of `node`, where `entries` does not have it.
template <typename T>
void CheckItemRefers(const YamlEntry* field, const std::string& path, const std::string& name,
                     std::string_view what, const Entries<T>& entries, Context& context) {
  if (field == nullptr || name.empty() || entries.Has(name) || !entries.complete) return;
  std::vector<std::string_view> names;
  AppendNames(entries, &names);
  context.errors.Add(field->place, path,
                     base::StrCat(Shown(field->value.scalar, {}), " is not the name of a ", what,
                                  Suggestion(name, names)));
}

template <typename Entry>
void CheckAliasTargets(const Entry& entry, const Alias& alias, Context& context,
                       const Draft& draft) {
  const YamlEntry* list = entry.node->Find("targets");
  if (list == nullptr || list->value.items.size() != alias.targets.size()) return;
  for (size_t i = 0; i < alias.targets.size(); ++i) {
    const YamlEntry* field = list->value.items[i].Find("model");
    const std::string path = base::StrCat(entry.path, ".targets[", i, "].model");
    const std::string& name = alias.targets[i].model;
    CheckItemRefers(field, path, name, "model", draft.models, context);
    const bool is_twice = std::any_of(alias.targets.begin(), alias.targets.begin() + i,
                                      [&](const AliasTarget& t) { return t.model == name; });
    if (is_twice && !name.empty() && field != nullptr) {
      context.errors.Add(field->place, path, "is a target of this alias already");
    }
  }
}

// The tiers of a provider's keys.
void CheckKeyTiers(const YamlNode& node, const std::string& path, const Provider& provider,
                   Context& context, const Draft& draft) {
  const YamlEntry* list = node.Find("keys");
  if (list == nullptr || list->value.items.size() != provider.keys.size()) return;
  for (size_t i = 0; i < provider.keys.size(); ++i) {
    CheckItemRefers(list->value.items[i].Find("tier"), base::StrCat(path, ".keys[", i, "].tier"),
                    provider.keys[i].tier, "tier", draft.tiers, context);
  }
}

void CheckAliases(Context& context, const Draft& draft) {
  for (const auto& entry : draft.aliases.all) {
    const Alias& alias = entry.value;
    if (alias.to == alias.name) {
      AddError(entry, "to", "is the alias itself; write the name of another model", context);
      continue;
    }
    if (const Alias* further = draft.aliases.Find(alias.to)) {
      AddError(entry, "to",
               base::StrCat("is itself an alias, and an alias of an alias is not allowed; write ",
                            further->to),
               context);
      continue;
    }
    CheckRefers(entry, "to", alias.to, "model", draft.models, context);
    CheckAliasTargets(entry, alias, context, draft);
  }
}

// A class with limits that no model has limits nothing; it is a slip. `section` is the `classes:`
// that `table` comes from.
void CheckClasses(const LimitTable& table, const YamlEntry* section, const std::string& path,
                  const std::set<std::string_view>& known, Context& context) {
  for (const auto& [name, limits] : table.classes) {
    if (known.count(name) > 0) continue;
    const YamlEntry* field = section->value.Find(name);
    context.errors.Add(
        field->place, base::StrCat(path, ".classes.", name),
        base::StrCat("no model has this class",
                     Suggestion(name, std::vector<std::string_view>(known.begin(), known.end()))));
  }
}

void CheckLimitTables(Context& context, const Draft& draft) {
  if (!draft.models.complete) return;
  std::set<std::string_view> classes;
  for (const auto& entry : draft.models.all) classes.insert(entry.value.model_class);
  for (const auto& entry : draft.tiers.all) {
    CheckClasses(entry.value, entry.node->Find("classes"), entry.path, classes, context);
  }
  for (size_t i = 0; i < draft.tenants.size(); ++i) {
    const auto& entry = draft.tenant_names.all[i];
    const YamlEntry* limits = entry.node->Find("limits");
    if (limits == nullptr) continue;
    CheckClasses(draft.tenants[i].tenant.limits, limits->value.Find("classes"),
                 entry.path + ".limits", classes, context);
  }
}

// `models:` of a tenant or of one of its keys.
void CheckModels(const std::vector<std::string>& models, const YamlNode& node,
                 const std::string& path, Context& context, const Draft& draft) {
  if (!draft.models.complete || !draft.aliases.complete || models.empty()) return;
  const std::vector<YamlNode>& items = node.Find("models")->value.items;
  if (items.size() != models.size()) return;  // some were wrong and are reported
  for (size_t i = 0; i < models.size(); ++i) {
    const std::string& name = models[i];
    if (draft.models.Has(name) || draft.aliases.Has(name)) continue;
    std::vector<std::string_view> names;
    AppendNames(draft.models, &names);
    AppendNames(draft.aliases, &names);
    context.errors.Add(
        items[i].place, base::StrCat(path, ".models[", i, "]"),
        base::StrCat(Shown(items[i].scalar, {}), " is not the name of a model or alias",
                     Suggestion(name, names)));
  }
}

// `lines` of the public ids that were there.
void CheckNewId(const KeyRecord& record, const std::string& path, const Place& place,
                Context& context, std::unordered_map<std::string, int>* lines) {
  const auto [it, is_new] = lines->emplace(record.public_id, place.line);
  if (is_new) return;
  context.errors.Add(place, path,
                     base::StrCat("has the same public id as the API key in line ", it->second));
}

// `owners`: tenants by the identities that there were. Two tenants with one would be each other.
void CheckIdentities(const Tenant& tenant, const YamlNode& node, const std::string& path,
                     Context& context, std::unordered_map<std::string, std::string>* owners) {
  if (tenant.identities.empty()) return;
  const std::vector<YamlNode>& items = node.Find("identities")->value.items;
  if (items.size() != tenant.identities.size()) return;  // some were wrong and are reported
  for (size_t i = 0; i < items.size(); ++i) {
    const auto [it, is_new] = owners->emplace(tenant.identities[i], tenant.name);
    if (is_new) continue;
    context.errors.Add(
        items[i].place, base::StrCat(path, ".identities[", i, "]"),
        base::StrCat("is an identity of tenant ", it->second, ", too; leave it with one of them"));
  }
}

void CheckTenants(Context& context, Draft& draft) {
  std::unordered_map<std::string, int> lines;  // of public ids
  std::unordered_map<std::string, std::string> owners;
  for (size_t i = 0; i < draft.tenants.size(); ++i) {
    const auto& entry = draft.tenant_names.all[i];
    const TenantDraft& tenant = draft.tenants[i];
    if (tenant.tenant.tier != kClosedTier) {
      CheckRefers(entry, "tier", tenant.tenant.tier, "tier", draft.tiers, context);
    }
    CheckModels(tenant.tenant.models, *entry.node, entry.path, context, draft);
    CheckIdentities(tenant.tenant, *entry.node, entry.path, context, &owners);
    for (size_t k = 0; k < tenant.tenant.keys.size(); ++k) {
      CheckModels(tenant.tenant.keys[k].models, *tenant.key_nodes[k], tenant.key_paths[k], context,
                  draft);
      CheckNewId(tenant.tenant.keys[k], tenant.record_paths[k], tenant.record_places[k], context,
                 &lines);
    }
  }
  if (lines.empty()) {
    draft.notes.push_back("no API key is on: every call will be refused with UNAUTHENTICATED");
  }
  for (const AdminKeyDraft& admin : draft.admin_keys) {
    CheckNewId(admin.key.record, admin.record_path, admin.record_place, context, &lines);
  }
}

std::string ReasonForOff(const ProviderDraft& draft) {
  std::string reason = base::StrCat(Enumerate(draft.empty_keys, " and "),
                                    draft.empty_keys.size() > 1 ? " are empty" : " is empty");
  if (!draft.variables.empty()) {
    base::StrAppend(&reason, " (set ", Enumerate(draft.variables, " and "), ")");
  }
  return reason;
}

void CheckProviders(const YamlNode& root, Context& context, Draft& draft) {
  bool any_on = false;
  std::vector<std::string> switches;
  const std::string* serves_any = nullptr;
  for (size_t i = 0; i < draft.providers.size(); ++i) {
    const ProviderDraft& entry = draft.providers[i];
    const Provider& provider = entry.provider;
    any_on |= provider.on() || entry.doubtful;
    CheckRefers(draft.provider_names.all[i], "tier", provider.tier, "tier", draft.tiers, context);
    CheckKeyTiers(*draft.provider_names.all[i].node, draft.provider_names.all[i].path, provider,
                  context, draft);
    if (!provider.on()) {
      draft.notes.push_back(
          base::StrCat("provider ", provider.name, ": off, ", ReasonForOff(entry)));
      if (!entry.variables.empty()) switches.push_back(Enumerate(entry.variables, " with "));
      continue;
    }
    draft.notes.push_back(base::StrCat("provider ", provider.name, ": on"));
    if (!provider.serves_any_model) continue;
    if (serves_any != nullptr) {
      AddError(draft.provider_names.all[i], "serves_any_model",
               base::StrCat("is true although it is for provider ", *serves_any,
                            ", too, and both are on; only one of them may be"),
               context);
    }
    serves_any = &provider.name;
  }
  if (any_on || !draft.provider_names.complete) return;
  std::string message = "no provider is on; ";
  if (switches.empty()) {
    base::StrAppend(&message, "give at least one a base_url and an api_key");
  } else {
    base::StrAppend(
        &message, "set at least one of these environment variables: ", Enumerate(switches, " or "));
  }
  const YamlEntry* section = root.Find("providers");
  context.errors.Add(section == nullptr ? root.place : section->place, "providers", message);
}

void CheckPlan(const YamlNode& root, Context& context, const Draft& draft) {
  const YamlEntry* billing = root.Find("billing");
  const YamlEntry* plan = billing == nullptr ? nullptr : billing->value.Find("plan");
  if (plan == nullptr) return;
  CheckItemRefers(plan->value.Find("tier_on_top_up"), "billing.plan.tier_on_top_up",
                  draft.config.billing.plan.tier_on_top_up, "tier", draft.tiers, context);
}

// Each price must lead to the currency that tenants are charged in. One error for a currency: one
// rate mends it for all of its prices.
void CheckRates(Context& context, const Draft& draft) {
  if (!draft.rates_complete) return;
  const Billing& billing = draft.config.billing;
  const std::string_view charged = base::CurrencyCode(billing.currency);
  std::set<base::Currency> told;
  for (const auto& entry : draft.models.all) {
    const YamlEntry* list = entry.node->Find("prices");
    if (list == nullptr || list->value.items.size() != entry.value.prices.size()) continue;
    for (size_t i = 0; i < entry.value.prices.size(); ++i) {
      const base::Currency currency = entry.value.prices[i].currency;
      if (currency == billing.currency || billing.RateFrom(currency) != nullptr) continue;
      if (!told.insert(currency).second) continue;
      const std::string_view code = base::CurrencyCode(currency);
      const YamlNode& item = list->value.items[i];
      const YamlEntry* field = item.Find("currency");
      context.errors.Add(
          field == nullptr ? item.place : field->place,
          base::StrCat(entry.path, ".prices[", i, "].currency"),
          base::StrCat("is ", code, ", but tenants are charged in ", charged, "; add {from: ", code,
                       ", to: ", charged, ", rate: ..., date: ...} to billing.exchange_rates"));
    }
  }
}

}  // namespace

void CrossCheck(const YamlNode& root, Context& context, Draft& draft) {
  for (const auto& entry : draft.models.all) {
    CheckRefers(entry, "provider", entry.value.provider, "provider", draft.provider_names, context);
  }
  CheckAliases(context, draft);
  CheckLimitTables(context, draft);
  CheckProviders(root, context, draft);
  CheckTenants(context, draft);
  CheckRates(context, draft);
  CheckPlan(root, context, draft);
}

}  // namespace pingti::config
