// The statement of an account for a month: what it had, what came and went, what the calls were,
// and what was left. Its amounts add up to the last nano-unit.
//
// Thread-safety: values and pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pingti/v1/accounts_service.pb.h"

namespace pingti::command {

struct Statement {
  std::string tenant;
  std::string month;  // 2024-06
  v1::Balance opening;
  v1::Balance closing;
  std::vector<v1::Transfer> transfers;  // but charges, oldest first
  std::vector<v1::UsageRow> usage;      // of calls that began in the month

  // What calls were charged in the month: what the balances and the transfers leave.
  std::int64_t charges() const;
  // Of these, what belongs to calls that began in the month before, without what is charged for
  // those that began in this one and ended in the next.
  std::int64_t carried() const;
};

// A line for each: the sum of `amount` over all but the last line is the last one.
std::string StatementCsv(const Statement& statement);

// One page with all in it, to read and to print.
std::string StatementHtml(const Statement& statement);

}  // namespace pingti::command
