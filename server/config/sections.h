// The parts of reading a configuration: each reader takes the map of a section, and the draft that
// all of them fill. Internal to config/; load.cc calls them in order.
//
// Entries keep the node that they come from, so that the checks between sections can name its
// place. Not thread-safe; lives within one load.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/config/config.h"
#include "server/config/fields.h"

namespace pingti::config {

// A list of named entries under way. An entry without a usable name is reported and left out.
template <typename T>
struct Entries {
  struct Entry {
    T value;
    const YamlNode* node = nullptr;
    std::string path;
  };

  std::vector<Entry> all;
  std::unordered_map<std::string, size_t> by_name;
  // False where something was left out: then a name that is not here may be no error.
  bool complete = true;

  bool Has(const std::string& name) const { return by_name.count(name) > 0; }
  const T* Find(const std::string& name) const {
    auto it = by_name.find(name);
    return it == by_name.end() ? nullptr : &all[it->second].value;
  }

  // Nothing may be added afterwards.
  std::vector<T> Take() {
    std::vector<T> values;
    values.reserve(all.size());
    for (Entry& entry : all) values.push_back(std::move(entry.value));
    return values;
  }
};

// How a provider came to be on or off.
struct ProviderDraft {
  Provider provider;
  std::vector<std::string> empty_keys;  // because of which it is off
  std::vector<std::string> variables;   // whose values would fill these
  bool doubtful = false;                // it has errors, so whether it is on is not known
};

struct TenantDraft {
  Tenant tenant;
  std::vector<std::string> record_paths;  // where each of tenant.keys was given
  std::vector<Place> record_places;
  std::vector<const YamlNode*> key_nodes;
  std::vector<std::string> key_paths;
};

struct AdminKeyDraft {
  AdminKey key;
  std::string record_path;
  Place record_place;
};

struct Draft {
  Config config;  // the sections without names
  Timeouts timeouts;
  std::vector<ProviderDraft> providers;  // in the order of provider_names
  Entries<std::string> provider_names;
  Entries<Model> models;
  Entries<Alias> aliases;
  Entries<Tier> tiers;
  std::vector<TenantDraft> tenants;
  Entries<std::string> tenant_names;
  std::vector<AdminKeyDraft> admin_keys;  // those that are on
  Entries<std::string> admin_names;       // of all
  std::vector<std::string> notes;
  bool rates_complete = true;  // false: a rate that is not there may be no error
};

// `listen:`, `server:`, `limits:`, `timeouts:`, `estimation:`, `quota:`, `routing:`, `billing:`,
// `features:`.
void ReadServerSections(Fields& root, Context& context, Draft& draft);
void ReadTimeouts(const YamlEntry& section, const std::string& path, Context& context,
                  Timeouts* timeouts);
// `timeouts:` among the keys of `fields`, with any of the five.
void ReadPartialTimeouts(Fields& fields, Context& context, PartialTimeouts* timeouts);

// `providers:`; the global timeouts must have been read.
void ReadProviders(Fields& root, Context& context, Draft& draft);

// `quota:`.
void ReadQuota(const YamlEntry& section, Context& context, Draft& draft);

// The five limits of one class, or of an API key.
void ReadClassLimits(const YamlEntry& section, const std::string& path, Context& context,
                     ClassLimits* limits);
// `classes:` and `other_classes:` among the keys of `fields`.
void ReadLimitTable(Fields& fields, Context& context, LimitTable* table);

// `billing:`.
void ReadBilling(const YamlEntry& section, Context& context, Draft& draft);
// `prices:` among the keys of a model, in the order of the file; load.cc sorts them.
void ReadPrices(Fields& fields, Context& context, Model* model);
// `unpriced:` among the keys of `fields`.
void ReadUnpriced(Fields& fields, std::optional<Unpriced>* out);

// `models:`, `aliases:`, `tiers:` of one file. Entries replace those with the same name that
// another file has brought.
void ReadCatalogue(Fields& root, Context& context, Draft& draft);

// `tenants:` and `admin_keys:`.
void ReadTenants(Fields& root, Context& context, Draft& draft);

// The checks between sections.
void CrossCheck(const YamlNode& root, Context& context, Draft& draft);

// Adds an entry to a list, or replaces the one with its name where that comes from another file; in
// the same file that is an error. True: added.
template <typename T>
bool AddEntry(const std::string& name, T value, const YamlNode& node, const std::string& path,
              Context& context, Entries<T>* entries) {
  auto [it, is_new] = entries->by_name.emplace(name, entries->all.size());
  if (is_new) {
    entries->all.push_back({std::move(value), &node, path});
    return true;
  }
  auto& earlier = entries->all[it->second];
  if (earlier.node->place.file == node.place.file) {
    const YamlEntry* entry = node.Find("name");
    context.errors.Add(entry->place, path + ".name",
                       "has the same name as the entry in line " +
                           std::to_string(earlier.node->Find("name")->place.line));
    return false;
  }
  earlier = {std::move(value), &node, path};
  return true;
}

}  // namespace pingti::config
