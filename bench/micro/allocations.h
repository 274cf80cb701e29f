// How often the calling thread has allocated: bench-micro replaces operator new to count it.
#pragma once

#include <cstdint>

namespace pingti::bench {

int64_t AllocationsOfThisThread();

}  // namespace pingti::bench
