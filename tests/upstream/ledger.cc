#include "tests/upstream/ledger.h"

#include <algorithm>

namespace pingti::upstream {

std::string_view EndedName(Ended ended) {
  switch (ended) {
    case Ended::kInFlight:
      return "in_flight";
    case Ended::kCompleted:
      return "completed";
    case Ended::kClientClosed:
      return "client_closed";
    case Ended::kFault:
      return "fault";
  }
  return "unknown";
}

RequestRecord& Ledger::NextSlot() {
  size_t slot = next_ % kRecentRequestsMax;
  if (slot == ring_.size()) ring_.emplace_back();
  ++next_;
  return ring_[slot];
}

uint64_t Ledger::Begin(RequestRecord record) {
  Add(requests_, 1);
  Add(in_flight_, 1);
  record.body.resize(std::min(record.body.size(), kRecordedBodyBytesMax));
  record.model.resize(std::min(record.model.size(), kRecordedTextBytesMax));
  record.user.resize(std::min(record.user.size(), kRecordedTextBytesMax));
  base::MutexLock lock(mu_);
  NextSlot() = std::move(record);
  return next_ - 1;
}

uint64_t Ledger::BeginCanned(uint64_t id, std::string_view key_tail, std::string_view body,
                             bool stream, Protocol protocol, int64_t now_ns) {
  Add(requests_, 1);
  Add(in_flight_, 1);
  base::MutexLock lock(mu_);
  RequestRecord& record = NextSlot();
  record.id = id;
  record.key_tail.assign(key_tail);
  record.model.clear();
  record.user.clear();
  record.fault.clear();
  record.body.assign(body.substr(0, kRecordedBodyBytesMax));
  record.prompt_hash = 0;
  record.stream = stream;
  record.protocol = protocol;
  record.status = 200;
  record.ended = Ended::kInFlight;
  record.arrival_ns = now_ns;
  record.end_ns = record.disconnect_ns = record.chunks_sent = 0;
  return next_ - 1;
}

void Ledger::Count(int status, bool stream, int64_t prompt_tokens) {
  if (status > 0) Add(by_status_[static_cast<size_t>(status) % by_status_.size()], 1);
  if (stream) Add(streams_started_, 1);
  Add(prompt_tokens_, prompt_tokens);
}

void Ledger::End(uint64_t ticket, int64_t chunks_sent, const Outcome& outcome) {
  Add(in_flight_, -1);
  Add(completion_tokens_, outcome.completion_tokens);
  if (outcome.disconnect_ns != 0) Add(disconnects_, 1);
  if (outcome.stream) {
    Add(outcome.ended == Ended::kCompleted ? streams_finished_ : streams_aborted_, 1);
  }
  base::MutexLock lock(mu_);
  if (ticket < first_ || next_ - ticket > kRecentRequestsMax) return;  // forgotten
  RequestRecord& record = ring_[ticket % kRecentRequestsMax];
  record.ended = outcome.ended;
  record.end_ns = outcome.now_ns;
  record.disconnect_ns = outcome.disconnect_ns;
  record.chunks_sent = chunks_sent;
}

void Ledger::ConnectionOpened() {
  Add(connections_open_, 1);
  Add(connections_accepted_, 1);
}

void Ledger::AddTo(Totals* totals) const {
  auto add = [](int64_t& to, const Counter& from) { to += from.load(std::memory_order_relaxed); };
  add(totals->requests, requests_);
  add(totals->in_flight, in_flight_);
  add(totals->connections_open, connections_open_);
  add(totals->connections_accepted, connections_accepted_);
  add(totals->streams_started, streams_started_);
  add(totals->streams_finished, streams_finished_);
  add(totals->streams_aborted, streams_aborted_);
  add(totals->prompt_tokens, prompt_tokens_);
  add(totals->completion_tokens, completion_tokens_);
  add(totals->chunks_sent, chunks_sent_);
  add(totals->disconnects, disconnects_);
  for (size_t i = 0; i < by_status_.size(); ++i) add(totals->by_status[i], by_status_[i]);
}

void Ledger::AppendRecent(std::vector<RequestRecord>* records) const {
  base::MutexLock lock(mu_);
  uint64_t oldest = next_ > kRecentRequestsMax ? next_ - kRecentRequestsMax : 0;
  for (uint64_t ticket = std::max(oldest, first_); ticket < next_; ++ticket) {
    records->push_back(ring_[ticket % kRecentRequestsMax]);
  }
}

void Ledger::Reset() {
  for (Counter* counter :
       {&requests_, &connections_accepted_, &streams_started_, &streams_finished_,
        &streams_aborted_, &prompt_tokens_, &completion_tokens_, &chunks_sent_, &disconnects_}) {
    counter->store(0, std::memory_order_relaxed);
  }
  for (Counter& counter : by_status_) counter.store(0, std::memory_order_relaxed);
  base::MutexLock lock(mu_);
  first_ = next_;
}

}  // namespace pingti::upstream
