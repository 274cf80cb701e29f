#include "client/command/tenants_line.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <iterator>

#include "client/command/key_terms.h"

namespace pingti::command {
namespace {

constexpr std::int64_t kLifetimeMax = std::int64_t{3'653} * 86'400;

}  // namespace

TenantsParser::TenantsParser(CLI::App& app) {
  CLI::App* tenant = app.add_subcommand("tenant", "Manage tenants (administrators)");
  tenant->require_subcommand(1);
  tenant->fallthrough();
  AddOfTenant(*tenant, TenantsVerb::kCreateTenant, "create", "Make a tenant and its account")
      ->add_option("--tier", line_.tier, "Tier that limits it")
      ->required()
      ->type_name("NAME");
  AddOfTenant(*tenant, TenantsVerb::kSuspendTenant, "suspend", "Refuse all of its calls");
  AddOfTenant(*tenant, TenantsVerb::kResumeTenant, "resume", "End a suspension");
  AddOfTenant(*tenant, TenantsVerb::kDeleteTenant, "delete",
              "Delete it for ever; its account stays in the ledger");
  AddOfTenant(*tenant, TenantsVerb::kSetTier, "set-tier", "Give it the limits of another tier")
      ->add_option("tier", line_.tier, "The tier")
      ->required();
  AddIdentities(*tenant);
  Add(*tenant, TenantsVerb::kListTenants, "list", "List those of the database")
      ->add_flag("--deleted", line_.deleted, "Also those that were deleted");
  AddKeys(app);
}

void TenantsParser::AddIdentities(CLI::App& tenant) {
  CLI::App* set = AddOfTenant(tenant, TenantsVerb::kSetIdentities, "set-identities",
                              "Peers with these in their TLS certificates need no key");
  // Which of the two was written is all that counts: to forget one must not take all away.
  CLI::Option* none =
      set->add_flag("--none", no_identities_, "No peer is taken for it without a key");
  CLI::Option* all = set->add_option("identity", line_.identities,
                                     "SPIFFE URI, DNS name or subject; those before are replaced");
  all->excludes(none);
  set->callback([this, all] {
    if (!no_identities_ && all->count() == 0) throw CLI::RequiredError("identity or --none");
  });
}

void TenantsParser::AddKeys(CLI::App& app) {
  CLI::App* key = app.add_subcommand("key", "Manage the API keys of tenants (administrators)");
  key->require_subcommand(1);
  key->fallthrough();
  CLI::App* create =
      AddOfTenant(*key, TenantsVerb::kCreateKey, "create", "Make a key and print it, this once");
  create->add_option("--name", line_.name, "What it is for")->required()->type_name("TEXT");
  AddKeyTerms(*create);
  CLI::App* rotate = AddOfTenant(*key, TenantsVerb::kRotateKey, "rotate",
                                 "Make a key in place of another one, and print it, this once");
  rotate->add_option("id", line_.key_id, "Public id of the other one")->required();
  rotate->add_option("--overlap", time_, "That one goes on so long: 7d, 12h; default: not at all")
      ->type_name("TIME");
  AddOfTenant(*key, TenantsVerb::kRevokeKey, "revoke", "End a key now")
      ->add_option("id", line_.key_id, "Its public id")
      ->required();
  AddOfTenant(*key, TenantsVerb::kListKeys, "list", "List the keys of a tenant");
}

void TenantsParser::AddKeyTerms(CLI::App& create) {
  create.add_option("--model", line_.models, "Only for this model or alias; repeatable")
      ->allow_extra_args(false)
      ->type_name("NAME");
  create
      .add_option("--limit", limits_,
                  "Limit of its own: requests_per_minute=60, with a burst =60:10, only counted "
                  "=60:shadow; also tokens_per_minute, requests_per_day, tokens_per_day, "
                  "calls_at_once; repeatable")
      ->allow_extra_args(false)
      ->type_name("NAME=N");
  create.add_option("--lifetime", time_, "It ends after this time: 90d, 12h; default: never")
      ->type_name("TIME");
  create
      .add_option("--budget", budget_,
                  "What its calls may cost in a day or month (UTC): 50/day, 1000/month")
      ->type_name("AMOUNT/PERIOD");
  create
      .add_option("--right", rights_,
                  "What it may be used for: complete, read_account; repeatable; default: both")
      ->allow_extra_args(false)
      ->type_name("NAME");
}

CLI::App* TenantsParser::Add(CLI::App& group, TenantsVerb verb, const char* name,
                             const char* help) {
  CLI::App* command = group.add_subcommand(name, help);
  command->fallthrough();
  command->add_flag("--json", line_.json, "Print protobuf JSON");
  return commands_[static_cast<int>(verb)] = command;
}

CLI::App* TenantsParser::AddOfTenant(CLI::App& group, TenantsVerb verb, const char* name,
                                     const char* help) {
  CLI::App* command = Add(group, verb, name, help);
  command->add_option("tenant", line_.tenant, "Name of the tenant")->required();
  return command;
}

std::optional<TenantsVerb> TenantsParser::Named() const {
  for (std::size_t i = 0; i < std::size(commands_); ++i) {
    if (commands_[i]->parsed()) return static_cast<TenantsVerb>(i);
  }
  return std::nullopt;
}

std::string TenantsParser::Finish(TenantsLine* line) {
  line_.verb = Named().value_or(TenantsVerb::kListTenants);
  if (!time_.empty()) {
    const auto seconds = ParseLifetime(time_);
    if (!seconds) return "'" + time_ + "' is no time; write for example 90d, 12h or 30m";
    line_.seconds = *seconds;
  }
  if (const std::string wrong = FinishKeyTerms(); !wrong.empty()) return wrong;
  *line = line_;
  return "";
}

std::string TenantsParser::FinishKeyTerms() {
  for (const std::string& text : limits_) {
    const auto limit = ParseKeyLimit(text);
    if (!limit) {
      return "'" + text +
             "' is no limit; write for example requests_per_minute=60, "
             "tokens_per_day=1000000:50000 "
             "or calls_at_once=2";
    }
    line_.limits.push_back(*limit);
  }
  if (!budget_.empty()) {
    line_.budget = ParseKeyBudget(budget_);
    if (!line_.budget) {
      return "'" + budget_ + "' is no budget; write for example 50/day or 12.50/month";
    }
  }
  for (const std::string& text : rights_) {
    const auto right = ParseKeyRight(text);
    if (!right) return "'" + text + "' is no right; write complete or read_account";
    line_.rights.push_back(*right);
  }
  return "";
}

std::optional<std::int64_t> ParseLifetime(std::string_view text) {
  std::int64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto [unit, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc() || end - unit != 1) return std::nullopt;
  std::int64_t seconds = 0;
  if (*unit == 's') seconds = 1;
  if (*unit == 'm') seconds = 60;
  if (*unit == 'h') seconds = 3'600;
  if (*unit == 'd') seconds = 86'400;
  if (seconds == 0 || count < 1 || count > kLifetimeMax / seconds) return std::nullopt;
  return count * seconds;
}

}  // namespace pingti::command
