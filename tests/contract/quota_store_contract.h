// What every QuotaStore does: one suite, instantiated by each store's own test.
//
//   INSTANTIATE_TEST_SUITE_P(Memory, QuotaStoreContract, ::testing::Values(&MakeMemoryHarness));
//
// One test binary per store: a suite in a header can be in one source of a program only.
#pragma once

#include "tests/contract/contract_amounts.h"
#include "tests/contract/contract_corrections.h"
#include "tests/contract/contract_fixture.h"
#include "tests/contract/contract_settlement.h"
#include "tests/contract/contract_time.h"
