// Lines for the operator: one JSON object each on stderr. For what happens seldom (start, drain,
// doubtful things); calls have their access record instead. Thread-safe. Never pass a secret.
#pragma once

#include <initializer_list>
#include <string_view>
#include <utility>

namespace pingti::base {

enum class LogLevel { kInfo, kWarning, kError };

using LogField = std::pair<std::string_view, std::string_view>;

// {"time":...,"level":"info","message":...,<fields>}
void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

}  // namespace pingti::base
