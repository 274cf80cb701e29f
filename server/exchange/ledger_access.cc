#include "server/exchange/ledger_access.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "server/base/log.h"
#include "server/base/signal.h"
#include "server/base/strings.h"
#include "server/base/text.h"

namespace pingti::exchange {
namespace {

using Error = std::optional<model::CallError>;

// What a caller is told to wait where the ledger cannot be asked.
constexpr absl::Duration kLedgerRetry = absl::Seconds(1);

bool IsLine(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

}  // namespace

model::CallError LedgerUnavailable(std::string message) {
  model::CallError error =
      model::Refuse(model::ErrorReason::kLedgerUnavailable, std::move(message));
  error.retry_delay = kLedgerRetry;
  return error;
}

void AddNearTenants(const View& view, const std::string& tenant, model::CallError* error) {
  std::vector<std::string_view> names;
  for (const config::Tenant& known : view.config().tenants) names.push_back(known.name);
  const std::vector<std::string> near = base::NearestNames(tenant, names, base::kNearNamesMax);
  if (!near.empty()) error->metadata["near"] = absl::StrJoin(near, ",");
}

Error CheckAdmin(const tenancy::KeyOwner& who) {
  if (who.is_admin) return std::nullopt;
  return model::Refuse(model::ErrorReason::kNotAdmin, "this takes the key of an administrator");
}

Error CheckLedger(Worker& worker) {
  if (worker.accounts() != nullptr) return std::nullopt;
  return model::Refuse(model::ErrorReason::kLedgerOff,
                       "this server keeps no ledger: its operator switches it on with --data-dir, "
                       "billing.data_dir or billing.database");
}

Error CheckText(const char* field, const std::string& text, size_t bytes_max, bool required) {
  if (required && text.empty()) return model::InvalidField(field, "is empty; it is required");
  if (text.size() > bytes_max) {
    return model::InvalidField(
        field, base::StrCat("has ", text.size(), " bytes; at most ", bytes_max, " are allowed"));
  }
  if (!IsLine(text)) return model::InvalidField(field, "has a control character; write one line");
  return std::nullopt;
}

std::string ActorOf(const View& view, const tenancy::KeyOwner& who) {
  return base::StrCat("admin:", view.config().admin_keys[who.index].name);
}

base::Task<Error> AskLedger(Worker& worker, Access access, std::string order,
                            billing::LedgerClient::LedgerWork work) {
  struct Answer {
    base::Signal signal;
    bool ready = false;
    absl::Status status;
  };
  // What is shared with the ledger: it needs nothing of the call.
  auto answer = std::make_shared<Answer>();
  billing::LedgerClient::Done done = [answer](const absl::Status& status) {
    answer->status = status;
    answer->ready = true;
    answer->signal.Notify();
  };
  billing::LedgerClient& ledger = *worker.accounts();
  if (access == Access::kRead) {
    ledger.Read(std::move(work), worker.loop(), std::move(done));
  } else {
    ledger.Write(order, std::move(work), worker.loop(), std::move(done));
  }
  while (!answer->ready) co_await answer->signal.Wait();
  if (answer->status.ok()) co_return std::nullopt;
  base::Log(base::LogLevel::kWarning, "the ledger could not be asked",
            {{"cause", answer->status.ToString()}});
  co_return LedgerUnavailable("the ledger cannot be read or written now");
}

}  // namespace pingti::exchange
