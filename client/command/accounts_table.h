// What the commands about accounts print: tables for people and CSV for programs. Amounts are exact
// decimals; times and days are UTC.
//
// Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/command/accounts_line.h"
#include "pingti/v1/accounts_service.pb.h"

namespace pingti::command {

std::string BalanceTable(const std::string& tenant, const v1::Balance& balance, bool color);

// With a column of tenants where the entries are of several.
std::string TransfersTable(const std::vector<v1::Transfer>& transfers, bool all_tenants,
                           bool color);
std::string TransfersCsvHead();
std::string TransfersCsv(const std::vector<v1::Transfer>& transfers);

// What rows of usage are summed up by, in this order.
using UsageColumns = std::vector<v1::UsageDimension>;
// The default ones where the line says nothing; people see their own tenant in none of them.
UsageColumns UsageColumnsOf(const AccountsLine& line, bool for_programs);

// With the sum of all rows below them. `label`: the name, for its column.
std::string UsageTable(const std::vector<v1::UsageRow>& rows, const UsageColumns& columns,
                       const std::string& label, bool color);
std::string UsageCsvHead(const UsageColumns& columns);
std::string UsageCsv(const std::vector<v1::UsageRow>& rows, const UsageColumns& columns);

std::string VerifyTable(const v1::VerifyLedgerResponse& verified, bool color);

// `2024-06-27 08:09:10`.
std::string FormatTime(const google::protobuf::Timestamp& time);

// What a transfer adds to the tenant's balance, in nano-units; below 0: takes from it.
std::int64_t EffectOf(const v1::Transfer& transfer);

// The currency of the first that has one, or empty.
std::string CurrencyOf(const std::vector<v1::UsageRow>& rows);

}  // namespace pingti::command
