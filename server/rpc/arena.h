// Makes messages that live in an arena, with old and new protobuf alike.
//
// In 3.21 Arena::Create() makes a message in the arena but leaves its fields to the heap, and only
// CreateMessage() hands the arena on to them. From 26 on Create() does, and 30 has nothing else.
#pragma once

#include <google/protobuf/arena.h>
#include <google/protobuf/stubs/common.h>  // GOOGLE_PROTOBUF_VERSION

namespace pingti::rpc {

// `arena` owns the message and all that it holds, and must outlive every use of it.
template <typename Message>
Message* NewIn(google::protobuf::Arena* arena) {
#if GOOGLE_PROTOBUF_VERSION >= 5026000
  return google::protobuf::Arena::Create<Message>(arena);
#else
  return google::protobuf::Arena::CreateMessage<Message>(arena);
#endif
}

}  // namespace pingti::rpc
