#include "tests/integration/world.h"

#include <unistd.h>

namespace pingti::integration {
namespace {

// $NAME$ is filled in.
constexpr char kTemplate[] = R"(
server: $SERVER$
limits: $LIMITS$
timeouts: $TIMEOUTS$
features: $FEATURES$
estimation: {output_tokens_default: 64}
# Nothing rests: what failover adds has tests of its own.
routing:
  {attempts_max: $ATTEMPTS_MAX$, breaker_failures: 1000, refused_key_for: 0s, lost_provider_for: 0s,
   rate_limited_for_max: 0s}
providers:
  - {name: simulated, dialect: openai, base_url: "$URL$", no_key: true, http_version: $HTTP$}
  - {name: keyed, dialect: openai, base_url: "$URL$", api_key: "$PROVIDER_KEY$"}
  - {name: dead, dialect: openai, base_url: "http://127.0.0.1:$DEAD_PORT$/v1", no_key: true}
  - name: hasty
    dialect: openai
    base_url: "$URL$"
    no_key: true
    timeouts: {first_token: 20s, silence: 20s, content_gap: 20s, total: 1500ms}
models:
  - {name: chat, provider: simulated, context_tokens: 10000000, vision: true, tools: true}
  - {name: plain, provider: simulated, context_tokens: 4096}
  - {name: keyed, provider: keyed, context_tokens: 4096}
  - {name: dead, provider: dead, context_tokens: 4096}
  - {name: hasty, provider: hasty, context_tokens: 4096}
  - {name: capped, provider: simulated, context_tokens: 4096, output_tokens_max: 128}
aliases:
  - {name: old-chat, to: chat}
tiers:
  - {name: Roomy, other_classes: {requests_per_minute: 10000000, tokens_per_minute: 1000000000}}
  - {name: Tiny, other_classes: {requests_per_minute: 5, tokens_per_minute: 6000}}
  - {name: Drip, other_classes: {requests_per_minute: 60, tokens_per_minute: 600}}
  - {name: Exact, policy: strict, other_classes: {requests_per_minute: 60, tokens_per_minute: 600}}
tenants:
  - {name: acme, tier: Roomy, keys: [{record: "$acme$"}]}
  - {name: suspended, tier: Roomy, suspended: true, keys: [{record: "$suspended$"}]}
  - {name: narrow, tier: Roomy, models: [plain], keys: [{record: "$narrow$"}]}
  - {name: tiny, tier: Tiny, keys: [{record: "$tiny$"}]}
  - {name: drip, tier: Drip, keys: [{record: "$drip$"}]}
  - {name: exact, tier: Exact, keys: [{record: "$exact$"}]}
)";

void Fill(const std::string& name, const std::string& value, std::string* text) {
  const std::string mark = "$" + name + "$";
  for (size_t at = text->find(mark); at != std::string::npos; at = text->find(mark)) {
    text->replace(at, mark.size(), value);
  }
}

void AddToolCall(const v1::ToolCallDelta& delta, std::vector<v1::ToolCall>* calls) {
  if (static_cast<size_t>(delta.index()) >= calls->size()) calls->resize(delta.index() + 1);
  v1::ToolCall& call = (*calls)[delta.index()];
  *call.mutable_id() += delta.id();
  *call.mutable_name() += delta.name();
  *call.mutable_arguments_json() += delta.arguments_json();
}

void AddDelta(const v1::StreamDelta& delta, Streamed* all) {
  ++all->deltas;
  const int choice = delta.choice_index();
  all->texts[choice] += delta.text();
  all->reasonings[choice] += delta.reasoning();
  if (delta.has_tool_call()) AddToolCall(delta.tool_call(), &all->tool_calls[choice]);
  if (delta.has_citation()) all->citations.push_back(delta.citation());
  all->logprobs.insert(all->logprobs.end(), delta.logprobs().begin(), delta.logprobs().end());
}

}  // namespace

std::string Timeouts(Millis each, Millis total) {
  const std::string time = ScaledText(each);
  const std::string all = ScaledText(total);
  return "{connect: " + all + ", first_token: " + time + ", silence: " + time +
         ", content_gap: " + time + ", total: " + all + "}";
}

DeadPort::DeadPort() { fd_ = BindFreePort(/*shared=*/false, &port_); }

DeadPort::~DeadPort() { close(fd_); }

World::World(const WorldOptions& options)
    : provider_(options.provider_arguments), config_(kTemplate) {
  Fill("SERVER", options.server, &config_);
  Fill("LIMITS", options.limits, &config_);
  Fill("TIMEOUTS", options.timeouts, &config_);
  Fill("FEATURES", options.features, &config_);
  Fill("ATTEMPTS_MAX", std::to_string(options.attempts_max), &config_);
  Fill("HTTP", options.http_version, &config_);
  Fill("URL", provider_.base_url(), &config_);
  Fill("PROVIDER_KEY", options.provider_key, &config_);
  Fill("DEAD_PORT", std::to_string(dead_.port()), &config_);
  for (const char* tenant : {"acme", "suspended", "narrow", "tiny", "drip", "exact"}) {
    keys_[tenant] = MakeApiKey();
    Fill(tenant, keys_[tenant].record, &config_);
  }
  server_ = std::make_unique<Server>(config_);
}

int64_t World::Left(const std::string& tenant, v1::QuotaDimension dimension) const {
  const auto quota = Client(tenant).GetQuota("chat");
  EXPECT_TRUE(quota.ok());
  if (!quota.ok()) return -1;
  for (const v1::QuotaBucket& bucket : quota->buckets()) {
    if (bucket.dimension() == dimension) return bucket.remaining();
  }
  ADD_FAILURE() << tenant << " has no such bucket";
  return -1;
}

int64_t World::TokensLeft(const std::string& tenant) const {
  return Left(tenant, v1::QUOTA_DIMENSION_TOKENS_PER_MINUTE);
}

int64_t World::RequestsLeft(const std::string& tenant) const {
  return Left(tenant, v1::QUOTA_DIMENSION_REQUESTS_PER_MINUTE);
}

void World::Stop() {
  EXPECT_TRUE(Eventually([&] { return server_->Scrape().Sum("pingti_calls_in_flight") == 0; }))
      << server_->Scrape().text();
  const Metrics metrics = server_->Scrape();
  EXPECT_EQ(metrics.Sum("pingti_bugs_total"), 0);
  EXPECT_EQ(metrics.Sum("pingti_upstream_transfers_in_flight"), 0);
  EXPECT_EQ(metrics.Sum("pingti_upstream_transfers_paused"), 0);
  EXPECT_EQ(metrics.Sum("pingti_model_calls_in_flight"), 0);
  server_->StopCleanly();
}

v1::CompletionSpec Ask(const std::string& prompt, const std::string& model) {
  v1::CompletionSpec spec;
  spec.set_model(model);
  v1::Message* message = spec.add_messages();
  message->set_role(v1::ROLE_USER);
  message->add_parts()->set_text(prompt);
  return spec;
}

Streamed ReadAll(client::CompletionStream stream) {
  Streamed all;
  while (auto event = stream.Next()) {
    if (all.finished) ++all.after_finished;
    if (event->has_started()) {
      ++all.started;
      all.start = event->started();
    } else if (event->has_delta()) {
      AddDelta(event->delta(), &all);
    } else if (event->has_finished()) {
      all.finished = event->finished();
    }
  }
  all.error = stream.Finish();
  return all;
}

}  // namespace pingti::integration
