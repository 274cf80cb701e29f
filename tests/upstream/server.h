// The simulated provider as a whole: one port, N loop threads, each with its own listening socket.
//
// Start() once, then Stop() from any thread, then the destructor. UNAVAILABLE: the port is taken,
// or there is no TLS.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "tests/upstream/knobs.h"
#include "tests/upstream/world.h"

namespace pingti::upstream {

struct ServerOptions {
  std::string address = "127.0.0.1";
  int port = 0;  // 0: a free one
  int threads = 1;
  Knobs base;
  std::vector<std::string> api_keys;
  bool log_requests = false;
  // Serves TLS on another port, too, and writes the certificate of its authority there. Empty: not.
  std::string tls_ca_file;
};

class Server {
 public:
  explicit Server(ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  absl::Status Start();
  // The port it listens on; valid after Start().
  int port() const { return port_; }
  // That for TLS; 0: there is none.
  int tls_port() const { return tls_port_; }
  // Closes everything and joins the threads.
  void Stop();

 private:
  class Loop;

  absl::Status StartTls();

  const ServerOptions options_;
  World world_;
  int port_ = 0;
  int tls_port_ = 0;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::vector<std::thread> threads_;
};

}  // namespace pingti::upstream
