// What the person typed of the commands about tenants and API keys: tenant and key.
//
// Thread-safety: values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pingti/v1/accounts_service.pb.h"

namespace CLI {
class App;
}

namespace pingti::command {

enum class TenantsVerb {
  kCreateTenant,
  kSuspendTenant,
  kResumeTenant,
  kDeleteTenant,
  kSetTier,
  kSetIdentities,
  kListTenants,
  kCreateKey,
  kRotateKey,
  kRevokeKey,
  kListKeys
};

struct TenantsLine {
  TenantsVerb verb = TenantsVerb::kListTenants;
  std::string admin_key_file;
  std::string tenant;
  std::string tier;
  std::vector<std::string> identities;
  bool deleted = false;
  std::string key_id;
  std::string name;
  std::vector<std::string> models;
  std::vector<v1::KeyLimit> limits;
  std::vector<v1::KeyRight> rights;
  std::optional<v1::KeyBudget> budget;
  std::int64_t seconds = 0;  // lifetime or overlap; 0: none
  bool json = false;
};

// The commands, and what they say; made before parsing and asked afterwards.
class TenantsParser {
 public:
  // Adds the commands to `app`. Outlives the parsing.
  explicit TenantsParser(CLI::App& app);

  // Which of the commands was named; nothing: none.
  std::optional<TenantsVerb> Named() const;
  // Checks what was written into the line. Empty, or what is wrong.
  std::string Finish(TenantsLine* line);

 private:
  CLI::App* Add(CLI::App& group, TenantsVerb verb, const char* name, const char* help);
  CLI::App* AddOfTenant(CLI::App& group, TenantsVerb verb, const char* name, const char* help);
  void AddIdentities(CLI::App& tenant);
  void AddKeys(CLI::App& app);
  void AddKeyTerms(CLI::App& create);
  // What is wrong with the terms of a new key; empty: nothing.
  std::string FinishKeyTerms();

  CLI::App* commands_[11] = {};
  TenantsLine line_;
  bool no_identities_ = false;
  std::string time_;
  std::vector<std::string> limits_;
  std::vector<std::string> rights_;
  std::string budget_;
};

// `90d`, `12h`, `30m`, `45s`, from 1 second to ten years; in seconds. Nothing: it is none.
std::optional<std::int64_t> ParseLifetime(std::string_view text);

}  // namespace pingti::command
