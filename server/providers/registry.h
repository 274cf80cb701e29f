// The dialects by the names that the configuration uses (`dialect:` of a provider).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/providers/dialect.h"

namespace pingti::providers {

// A new dialect; nullptr where there is none with this name. One for each worker.
std::unique_ptr<Dialect> NewDialect(std::string_view name);

// All names, in order.
std::vector<std::string> DialectNames();

}  // namespace pingti::providers
