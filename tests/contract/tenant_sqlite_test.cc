#include <gtest/gtest.h>

#include "tests/contract/sqlite_harness.h"
#include "tests/contract/tenant_contract.h"

namespace pingti::exchange {
namespace {

INSTANTIATE_TEST_SUITE_P(Sqlite, TenantContract, ::testing::Values(&billing::MakeSqliteHarness));

}  // namespace
}  // namespace pingti::exchange
