// The steps of the schema (schema.cc), for migrations.h.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace pingti::storage {

// $INT, $ID, $ROW (an id of rows that are never deleted), $STRICT and, for tables that are their
// primary key's index, $KEYED in `statements` stand for what the two engines write differently.
// They are run first. SQLite checks references after each step.
struct SchemaStep {
  int64_t version;
  std::span<const std::string_view> statements;
  std::span<const std::string_view> sqlite_only;
  std::span<const std::string_view> postgres_only;
};

const std::vector<SchemaStep>& SchemaSteps();

}  // namespace pingti::storage
