#include "client/command/listing.h"

#include <utility>
#include <vector>

#include "client/command/chat.h"
#include "client/command/format.h"
#include "client/command/json.h"
#include "client/command/quota_table.h"
#include "client/command/request.h"
#include "client/command/savings.h"
#include "client/command/visible_text.h"

namespace pingti::command {
namespace {

// JSON goes through the same door as an answer: it holds foreign text.
ExitCode WriteJson(const Session& session, const std::string& json) {
  return session.WriteForeign(json + "\n");
}
ExitCode WriteJson(const Session& session, const google::protobuf::Message& message) {
  return WriteJson(session, ToJson(message));
}

std::string SourceName(v1::UsageSource source) {
  switch (source) {
    case v1::USAGE_SOURCE_MEASURED:
      return "measured";
    case v1::USAGE_SOURCE_COUNTED:
      return "counted";
    case v1::USAGE_SOURCE_ESTIMATED:
      return "estimated";
    default:
      return "";
  }
}

std::string ContextSize(std::int64_t tokens) { return tokens > 0 ? FormatCount(tokens) : "-"; }

}  // namespace

ExitCode RunModels(const Session& session) {
  const Interrupts::Answer answer(session.interrupts);
  client::CallOptions options;
  options.cancel = answer.token();
  const auto models = session.client.ListModels(options);
  if (!models.ok()) return session.Fail(models.error());
  if (session.line.json) {
    v1::ListModelsResponse all;
    all.mutable_models()->Add(models->begin(), models->end());
    return WriteJson(session, all);
  }
  std::vector<std::vector<Cell>> rows;
  rows.reserve(models->size());
  for (const v1::Model& model : *models) {
    rows.push_back({{model.name()},
                    {model.serves()},
                    {model.provider()},
                    {model.model_class()},
                    {ContextSize(model.context_tokens())},
                    {FormatPrice(model)}});
  }
  return session.Write(RenderTable({{"NAME"},
                                    {"SERVES"},
                                    {"PROVIDER"},
                                    {"CLASS"},
                                    {"CONTEXT", true},
                                    {"PRICE PER MILLION", true}},
                                   rows, session.console.OutColor()));
}

ExitCode RunSavings(const Session& session) {
  const Interrupts::Answer answer(session.interrupts);
  client::CallOptions options;
  options.cancel = answer.token();
  const auto models = session.client.ListModels(options);
  if (!models.ok()) return session.Fail(models.error());
  const std::vector<v1::Model> substituted = Substituted(*models);
  if (session.line.json) return WriteJson(session, SavingsJson(substituted));
  return session.Write(SavingsTable(substituted, session.console.OutColor()));
}

ExitCode RunQuota(const Session& session) {
  const Interrupts::Answer answer(session.interrupts);
  client::CallOptions options;
  options.cancel = answer.token();
  const auto quota = session.client.GetQuota(session.line.quota_model, options);
  if (!quota.ok()) return session.Fail(quota.error());
  if (session.line.json) return WriteJson(session, *quota);
  return session.Write(QuotaTable(
      *quota, {.color = session.console.OutColor(), .blocks = session.console.out_is_terminal}));
}

ExitCode RunCount(const Session& session) {
  client::Result<v1::CompletionSpec> spec = MakeSpec(session.line.request);
  client::Result<std::string> prompt = spec.ok() ? ReadPrompt(session) : spec.error();
  client::Result<v1::Message> message =
      prompt.ok() ? MakeUserMessage(*prompt, session.line.request.images) : prompt.error();
  if (!message.ok()) {
    session.console.Complain(VisibleText(message.error().message, LineBreaks::kShow));
    return message.error().code == grpc::StatusCode::CANCELLED ? kExitCancelled : kExitUsage;
  }
  *spec->add_messages() = std::move(*message);

  const Interrupts::Answer answer(session.interrupts);
  client::CallOptions options;
  options.cancel = answer.token();
  const auto count = session.client.CountTokens(*spec, options);
  if (!count.ok()) return session.Fail(count.error());
  if (session.line.json) return WriteJson(session, *count);
  const std::vector<std::vector<Cell>> rows = {
      {{"input"}, {FormatCount(count->input_tokens())}, {SourceName(count->source())}},
      {{"likely output"}, {FormatCount(count->likely_output_tokens())}},
      {{"reserved"}, {FormatCount(count->reserved_tokens())}, {"from tokens per minute"}},
      {{"context"}, {ContextSize(count->context_tokens())}, {"of " + count->upstream_model()}},
  };
  return session.Write(
      RenderTable({{""}, {"TOKENS", true}, {""}}, rows, session.console.OutColor()));
}

}  // namespace pingti::command
