#include "server/providers/registry.h"

#include "server/providers/openai/dialect.h"

namespace pingti::providers {
namespace {

struct Entry {
  std::string_view name;
  std::unique_ptr<Dialect> (*make)();
};

constexpr Entry kDialects[] = {
    {"openai", openai::NewOpenAiDialect},
};

}  // namespace

std::unique_ptr<Dialect> NewDialect(std::string_view name) {
  for (const Entry& entry : kDialects) {
    if (entry.name == name) return entry.make();
  }
  return nullptr;
}

std::vector<std::string> DialectNames() {
  std::vector<std::string> names;
  for (const Entry& entry : kDialects) names.emplace_back(entry.name);
  return names;
}

}  // namespace pingti::providers
