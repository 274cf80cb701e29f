// A completion queue of gRPC and the thread that empties it, for a few workers.
//
// With one queue per worker, gRPC's poller (epoll1) hands the events of all connections to and fro
// between the threads that wait for them: 2.7 context switches and a fifth more CPU per unary call
// than with one queue for two workers. docs/architecture.md has the measurement.
#pragma once

#include <memory>
#include <thread>

#include <grpcpp/completion_queue.h>

namespace pingti::rpc {

// So many workers share a queue: its thread takes about a quarter of the CPU that a worker's loop
// takes for the same calls.
inline constexpr int kWorkersPerQueue = 4;

class QueueThread {
 public:
  explicit QueueThread(std::unique_ptr<grpc::ServerCompletionQueue> queue);
  // REQUIRES: Join() was called.
  ~QueueThread();
  QueueThread(const QueueThread&) = delete;
  QueueThread& operator=(const QueueThread&) = delete;

  grpc::ServerCompletionQueue* queue() { return queue_.get(); }

  // After the server has started.
  void Start();

  // After the server has shut down and when no call exists any more: empties the queue and ends the
  // thread. Blocks. Also where Start() was never called.
  void Join();

 private:
  void Run();

  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::thread thread_;
};

}  // namespace pingti::rpc
