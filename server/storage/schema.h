// The steps of the schema (schema.cc), for migrations.h.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace pingti::storage {

// $INT, $ID and $STRICT in `statements` stand for what the two engines write differently.
struct SchemaStep {
  int64_t version;
  std::vector<std::string_view> statements;
  std::vector<std::string_view> sqlite_only;
  std::vector<std::string_view> postgres_only;
};

const std::vector<SchemaStep>& SchemaSteps();

}  // namespace pingti::storage
