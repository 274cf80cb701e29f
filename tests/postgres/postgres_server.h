// A PostgreSQL of the test's own: a new cluster in a temporary folder, on a unix socket, and gone
// with the test. PostgreSQL refuses to run as root: there it runs as the user `postgres`.
//
// Thread-safety: one thread. Errors: a server that does not start ends the test binary with what
// was said.
#pragma once

#include <memory>
#include <string>

#include "tests/integration/process.h"

namespace pingti::testing_postgres {

class PostgresServer {
 public:
  PostgresServer();
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // For libpq: the user's own database, which is empty at first.
  const std::string& connection() const { return connection_; }
  // A new, empty database beside it; its connection.
  std::string NewDatabase();

  // SIGKILL to all of it. It stays away until Start(), which recovers what was committed.
  void Kill();
  void Start();

 private:
  bool Answers() const;

  std::string folder_;
  std::string connection_;
  int databases_ = 0;
  std::unique_ptr<integration::Process> process_;
};

}  // namespace pingti::testing_postgres
