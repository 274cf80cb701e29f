// Thousands of providers go out in a simulation: nobody reads the lines for the operator.
#include "server/base/log.h"

namespace pingti::base {

void Log(LogLevel /*level*/, std::string_view /*message*/,
         std::initializer_list<LogField> /*fields*/) {}

}  // namespace pingti::base
