// Handles an operation's event on the thread that started it, where it is there at once.
//
// A write to a socket that has room ends before its start returns. Its event would still go into
// the completion queue and wake the queue's thread, only to note that the stream is idle again: one
// of two context switches of a paced chunk. gRPC can leave the first event of a thread with that
// thread instead; the others go into the queue as ever.
#pragma once

#include <grpc/grpc.h>
#include <grpcpp/completion_queue.h>

#include "server/rpc/tag.h"

namespace pingti::rpc {

// Calls `start`, which starts operations on `queue`, and dispatches the event that this thread has
// caused meanwhile, if any: mostly that of the operation, but any tag of the queue is possible. The
// event may destroy the tag's owner.
template <typename Start>
void StartAndTakeEvent(grpc::CompletionQueue* queue, Start start) {
  grpc_completion_queue_thread_local_cache_init(queue->cq());
  start();
  void* tag = nullptr;
  int succeeded = 0;
  if (grpc_completion_queue_thread_local_cache_flush(queue->cq(), &tag, &succeeded) == 0) return;
  // What CompletionQueue::Next() does with an event.
  bool ok = succeeded != 0;
  if (static_cast<grpc::internal::CompletionQueueTag*>(tag)->FinalizeResult(&tag, &ok)) {
    Tag::Dispatch(tag, ok);
  }
}

}  // namespace pingti::rpc
