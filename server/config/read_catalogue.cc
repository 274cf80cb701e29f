// `models:`, `aliases:` and `tiers:`, which stand in the main file and in its catalogue file.
#include <string>
#include <utility>

#include "server/base/strings.h"
#include "server/config/sections.h"
#include "server/config/value.h"

namespace pingti::config {

namespace {

constexpr int64_t kContextTokensMax = 100'000'000;

void ReadModel(const YamlNode& node, const std::string& path, Context& context, Draft& draft) {
  Model model;
  Fields fields(node, path, context);
  const bool named = fields.Text("name", &model.name, CheckModelName, Presence::kRequired);
  model.upstream_model = model.name;
  model.model_class = model.name;
  fields.Text("provider", &model.provider, CheckName, Presence::kRequired);
  fields.Text("upstream_model", &model.upstream_model, CheckModelName);
  fields.Text("model_class", &model.model_class, CheckModelName);
  fields.Integer("context_tokens", &model.context_tokens, 1, kContextTokensMax,
                 Presence::kRequired);
  fields.Integer("output_tokens_max", &model.output_tokens_max, 0, kContextTokensMax);
  if (model.context_tokens > 0 && model.output_tokens_max > model.context_tokens) {
    fields.Error("output_tokens_max",
                 base::StrCat("is more than context_tokens, which is ", model.context_tokens));
  }
  fields.Bool("vision", &model.vision);
  fields.Bool("tools", &model.tools);
  fields.Bool("system_messages", &model.system_messages);
  fields.Bool("developer_role", &model.developer_role);
  fields.Text("max_tokens_field", &model.max_tokens_field, CheckMaxTokensField);
  fields.Texts("unsupported_fields", &model.unsupported_fields, CheckUnsupportedField);
  fields.Bool("forward_output_cap", &model.forward_output_cap);
  fields.Bool("verified", &model.verified);
  fields.Text("source", &model.source, CheckRemark);
  ReadPartialTimeouts(fields, context, &model.timeouts);
  ReadPrices(fields, context, &model);
  ReadUnpriced(fields, &model.unpriced);
  fields.Finish();
  const std::string name = model.name;
  if (!named || !AddEntry(name, std::move(model), node, path, context, &draft.models)) {
    draft.models.complete = false;
  }
}

// A target that is wrong stays in its place, so that the others keep theirs.
void ReadAliasTarget(const YamlNode& node, const std::string& path, Context& context,
                     Alias* alias) {
  AliasTarget target;
  Fields fields(node, path, context);
  fields.Text("model", &target.model, CheckModelName, Presence::kRequired);
  fields.Integer("priority", &target.priority, 0, 100);
  fields.Integer("weight", &target.weight, 1, 1'000);
  fields.Finish();
  alias->targets.push_back(std::move(target));
}

void ReadAliasTargets(Fields& fields, Context& context, Alias* alias) {
  const size_t errors_before = context.errors.count();
  fields.List("targets", [&](const YamlNode& node, const std::string& path) {
    ReadAliasTarget(node, path, context, alias);
  });
  if (fields.Get("targets") == nullptr) return;
  const bool is_read = context.errors.count() == errors_before;
  if (!alias->to.empty()) {
    fields.Error("targets", "is given beside `to`; give one of them");
  } else if (alias->targets.empty() && is_read) {
    fields.Error("targets", "is empty; give at least one target, or `to`");
  } else if (alias->targets.size() > kAliasTargetsMax) {
    fields.Error("targets", base::StrCat("has ", alias->targets.size(), " targets; at most ",
                                         kAliasTargetsMax, " are allowed"));
  }
}

void ReadAlias(const YamlNode& node, const std::string& path, Context& context, Draft& draft) {
  Alias alias;
  Fields fields(node, path, context);
  const bool named = fields.Text("name", &alias.name, CheckModelName, Presence::kRequired);
  const bool many = node.Find("targets") != nullptr;
  fields.Text("to", &alias.to, CheckModelName, many ? Presence::kOptional : Presence::kRequired);
  ReadAliasTargets(fields, context, &alias);
  fields.Bool("hedge", &alias.hedge);
  if (alias.hedge && alias.targets.size() < 2) {
    fields.Error("hedge", "needs two targets or more; give them as `targets`, or leave it out");
  }
  ReadPartialTimeouts(fields, context, &alias.timeouts);
  ReadUnpriced(fields, &alias.unpriced);
  fields.Finish();
  const std::string name = alias.name;
  if (!named || !AddEntry(name, std::move(alias), node, path, context, &draft.aliases)) {
    draft.aliases.complete = false;
  }
}

void ReadTier(const YamlNode& node, const std::string& path, Context& context, Draft& draft) {
  Tier tier;
  Fields fields(node, path, context);
  const bool named = fields.Text("name", &tier.name, CheckModelName, Presence::kRequired);
  if (tier.name == kClosedTier) {
    fields.Error("name", "is the tier of suspended tenants, which no file can change; rename it");
  }
  fields.Bool("verified", &tier.verified);
  tier.other_classes.verified = tier.verified;  // until a row says otherwise
  ReadLimitTable(fields, context, &tier);
  std::string word;
  if (fields.Text("policy", &word, CheckReservePolicy)) {
    tier.policy = word == "strict" ? ReservePolicy::kStrict : ReservePolicy::kLikely;
  }
  if (fields.Text("when_store_is_down", &word, CheckStoreDownPolicy)) {
    tier.when_store_is_down = StoreDownPolicy::kLocal;
    if (word == "deny") tier.when_store_is_down = StoreDownPolicy::kDeny;
    if (word == "allow") tier.when_store_is_down = StoreDownPolicy::kAllow;
  }
  fields.Text("source", &tier.source, CheckRemark);
  fields.Finish();
  const std::string name = tier.name;
  if (!named || !AddEntry(name, std::move(tier), node, path, context, &draft.tiers)) {
    draft.tiers.complete = false;
  }
}

}  // namespace

void ReadCatalogue(Fields& root, Context& context, Draft& draft) {
  root.List("models", [&](const YamlNode& node, const std::string& path) {
    ReadModel(node, path, context, draft);
  });
  root.List("aliases", [&](const YamlNode& node, const std::string& path) {
    ReadAlias(node, path, context, draft);
  });
  root.List("tiers", [&](const YamlNode& node, const std::string& path) {
    ReadTier(node, path, context, draft);
  });
}

}  // namespace pingti::config
