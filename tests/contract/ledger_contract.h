// What the ledger does, whichever engine keeps it: one suite, instantiated by each engine's test.
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, LedgerContract, ::testing::Values(&MakeSqliteHarness));
#pragma once

#include "tests/contract/ledger_budget_contract.h"
#include "tests/contract/ledger_calls_contract.h"
#include "tests/contract/ledger_fixture.h"
#include "tests/contract/ledger_money_contract.h"
#include "tests/contract/ledger_read_contract.h"
