// What the connections of one loop share. Confined to the loop's thread.
#pragma once

#include <event2/event.h>

#include <list>
#include <memory>

#include "tests/upstream/service.h"

namespace pingti::upstream {

inline constexpr size_t kReadBufferBytes = 64 * 1024;
inline constexpr size_t kConnectionsPerLoopMax = 50'000;

class Connection;
class Http2Connection;

struct LoopContext {
  event_base* base = nullptr;
  Service* service = nullptr;
  std::list<Connection*> connections;
  std::list<Http2Connection*> http2_connections;
  std::unique_ptr<char[]> read_buffer = std::make_unique<char[]>(kReadBufferBytes);
};

}  // namespace pingti::upstream
