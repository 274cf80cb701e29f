#include "server/rpc/queue_thread.h"

#include <pthread.h>

#include <utility>

#include "server/rpc/tag.h"

namespace pingti::rpc {

QueueThread::QueueThread(std::unique_ptr<grpc::ServerCompletionQueue> queue)
    : queue_(std::move(queue)) {}

QueueThread::~QueueThread() = default;

void QueueThread::Start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "queue");
    Run();
  });
}

void QueueThread::Join() {
  queue_->Shutdown();
  if (thread_.joinable()) {
    thread_.join();
  } else {
    Run();  // nobody else empties it
  }
}

void QueueThread::Run() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) Tag::Dispatch(tag, ok);
}

}  // namespace pingti::rpc
