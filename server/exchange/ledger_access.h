// Asking the ledger for a caller of pingti.v1.Accounts: who may, and how, and what is said where it
// cannot be asked. For accounts.h, tenant_admin.h and calls.
//
// On the worker's loop thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <variant>

#include "server/base/task.h"
#include "server/billing/ledger_client.h"
#include "server/exchange/view.h"
#include "server/exchange/worker.h"
#include "server/model/failure.h"
#include "server/tenancy/tenant_directory.h"

namespace pingti::exchange {

template <typename T>
using OrError = std::variant<T, model::CallError>;

// LEDGER_UNAVAILABLE, with a time to wait.
model::CallError LedgerUnavailable(std::string message);
// `near`: tenants whose names are close to one that is not there.
void AddNearTenants(const View& view, const std::string& tenant, model::CallError* error);

// NOT_ADMIN.
std::optional<model::CallError> CheckAdmin(const tenancy::KeyOwner& who);
// LEDGER_OFF.
std::optional<model::CallError> CheckLedger(Worker& worker);
// FIELD_INVALID of what is no single line of at most `bytes_max`.
std::optional<model::CallError> CheckText(const char* field, const std::string& text,
                                          size_t bytes_max, bool required);

// How the ledger and the log name an administrator.
std::string ActorOf(const View& view, const tenancy::KeyOwner& who);

enum class Access { kRead, kWrite };

// Runs `work` in the ledger and waits for its end, which comes on the loop. LEDGER_UNAVAILABLE.
// REQUIRES: CheckLedger(). `work` may run after the call is gone: it keeps what it needs.
//
// Whoever asks makes the Task in a statement of its own: g++ 12 copies the temporary arguments of a
// call that is awaited bit by bit, and short strings in them then point into freed memory.
base::Task<std::optional<model::CallError>> AskLedger(Worker& worker, Access access,
                                                      std::string order,
                                                      billing::LedgerClient::LedgerWork work);

}  // namespace pingti::exchange
