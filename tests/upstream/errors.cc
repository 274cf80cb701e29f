#include "tests/upstream/errors.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "absl/strings/str_replace.h"
#include "server/base/strings.h"

namespace pingti::upstream {
namespace {

constexpr ErrorRow kErrors[] = {
    {"400", 400, "invalid_request_error", "context_length_exceeded", "messages",
     "This model's maximum context length is 16384 tokens. However, your messages resulted in "
     "20000 tokens. Please reduce the length of the messages."},
    {"400bad", 400, "invalid_request_error", "", "temperature",
     "Invalid 'temperature': simulated refusal of the request."},
    {"400filter", 400, "invalid_request_error", "content_filter", "prompt",
     "The response was filtered due to the prompt triggering the content policy (simulated)."},
    {"401", 401, "invalid_request_error", "invalid_api_key", "",
     "Incorrect API key provided. You can find your API key in your account settings."},
    {"402", 402, "invalid_request_error", "insufficient_balance", "", "Insufficient Balance"},
    {"403", 403, "request_forbidden", "unsupported_country_region_territory", "",
     "Country, region, or territory not supported"},
    {"404", 404, "invalid_request_error", "model_not_found", "",
     "The model `%M` does not exist or you do not have access to it."},
    {"408", 408, "server_error", "request_timeout", "", "Request timed out (simulated)."},
    {"413", 413, "invalid_request_error", "request_too_large", "",
     "Request body too large (simulated)."},
    {"422", 422, "invalid_request_error", "unprocessable_entity", "",
     "Unprocessable request (simulated)."},
    {"429", 429, "tokens", "rate_limit_exceeded", "",
     "Rate limit reached for %M in organization org-simulated on tokens per min (TPM): Limit "
     "30000, Used 14567, Requested 24754. Please try again in 18.642s. Visit "
     "https://platform.openai.com/account/rate-limits to learn more."},
    {"429requests", 429, "requests", "rate_limit_exceeded", "",
     "Rate limit reached for %M in organization org-simulated on requests per min (RPM): Limit "
     "3, Used 3, Requested 1. Please try again in 20s. Visit "
     "https://platform.openai.com/account/rate-limits to learn more."},
    {"429large", 429, "tokens", "rate_limit_exceeded", "",
     "Request too large for %M in organization org-simulated on tokens per min (TPM): Limit "
     "30000, Requested 31538. The input or output tokens must be reduced in order to run "
     "successfully. Visit https://platform.openai.com/account/rate-limits to learn more."},
    {"429quota", 429, "insufficient_quota", "insufficient_quota", "",
     "You exceeded your current quota, please check your plan and billing details. For more "
     "information on this error, read the docs: "
     "https://platform.openai.com/docs/guides/error-codes/api-errors."},
    {"500", 500, "server_error", "", "",
     "The server had an error while processing your request (simulated)."},
    {"502", 502, "server_error", "", "", "Bad gateway (simulated)."},
    {"503", 503, "server_error", "", "",
     "The engine is currently overloaded, please try again later."},
    {"504", 504, "server_error", "", "", "Gateway timeout (simulated)."},
    {"529", 529, "overloaded_error", "overloaded", "", "System busy, please try again later."},
};

template <typename Writer>
void Nullable(Writer& writer, std::string_view key, std::string_view value) {
  writer.Key(key.data(), static_cast<rapidjson::SizeType>(key.size()));
  if (value.empty()) {
    writer.Null();
  } else {
    writer.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
  }
}

}  // namespace

const ErrorRow* FindError(std::string_view name) {
  for (const ErrorRow& row : kErrors) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

std::string ErrorBody(std::string_view message, std::string_view type, std::string_view code,
                      std::string_view param) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  writer.StartObject();
  writer.Key("error");
  writer.StartObject();
  writer.Key("message");
  writer.String(message.data(), static_cast<rapidjson::SizeType>(message.size()));
  Nullable(writer, "type", type);
  Nullable(writer, "param", param);
  Nullable(writer, "code", code);
  writer.EndObject();
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

std::string ErrorBody(const ErrorRow& row, std::string_view model) {
  std::string message =
      absl::StrReplaceAll(base::AbslView(row.message), {{"%M", base::AbslView(model)}});
  return ErrorBody(message, row.type, row.code, row.param);
}

std::string_view StatusText(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Payload Too Large";
    case 422:
      return "Unprocessable Entity";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Simulated";
  }
}

std::string ErrorHelp() {
  std::string help = "Errors (knob status=<name>):\n ";
  for (const ErrorRow& row : kErrors) {
    base::StrAppend(&help, " ", row.name);
  }
  return help + "\n";
}

}  // namespace pingti::upstream
