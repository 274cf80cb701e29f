// What a completion queue gives back: the object that waits for an operation of gRPC.
//
// A tag's event is handled on the worker's completion-queue thread, briefly, and moves to the loop
// thread from there where the call's state is concerned. Operations are started on the loop thread;
// an event that is there before the start has returned may be handled there and then
// (inline_event.h).
#pragma once

// PINGTI_TSAN is set by cmake/toolchain.cmake.
#ifdef PINGTI_TSAN
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
#endif

namespace pingti::rpc {

class Tag {
 public:
  virtual ~Tag() = default;

  // The operation has ended; `ok` as grpc::CompletionQueue::Next gives it. May delete this.
  virtual void OnEvent(bool ok) = 0;

  // The pointer to start an operation with. Debian's gRPC is not built for ThreadSanitizer, which
  // therefore sees no order between the start of an operation and its event: it is told here and in
  // Dispatch(), and nowhere else.
  void* ForOperation() {
#ifdef PINGTI_TSAN
    __tsan_release(this);
#endif
    return this;
  }

  static void Dispatch(void* tag, bool ok) {
#ifdef PINGTI_TSAN
    __tsan_acquire(tag);
#endif
    static_cast<Tag*>(tag)->OnEvent(ok);
  }
};

// A tag that is a member of the object whose method it calls.
template <typename Owner, void (Owner::*kMethod)(bool)>
class MemberTag final : public Tag {
 public:
  explicit MemberTag(Owner* owner) : owner_(owner) {}
  MemberTag(const MemberTag&) = delete;
  void OnEvent(bool ok) override { (owner_->*kMethod)(ok); }

 private:
  Owner* const owner_;
};

}  // namespace pingti::rpc
