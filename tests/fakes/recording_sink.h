// A ResponseSink that writes down what it is given, and is full when the test says so.
//
// Checks the contract as it goes: headers come first, exactly one end, nothing after it.
// Thread-safety: none.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "server/exchange/response_sink.h"

namespace pingti::fakes {

class RecordingSink final : public exchange::ResponseSink {
 public:
  struct Started {
    std::string request_id;
    std::string model;
    std::string provider;
    std::string upstream_model;
    std::vector<providers::Adaptation> adaptations;
  };

  void AddHeader(std::string_view name, std::string_view value) override {
    EXPECT_FALSE(begun()) << "header " << name << " after content or end";
    EXPECT_TRUE(headers_.emplace(name, value).second) << "header " << name << " twice";
  }
  void SendStarted(std::string_view request_id, std::string_view model,
                   const exchange::ServedBy& served_by) override {
    EXPECT_FALSE(begun()) << "started after content or end";
    started_ = Started{std::string(request_id), std::string(model), std::string(served_by.provider),
                       std::string(served_by.upstream_model), served_by.adaptations};
  }
  void SendDelta(model::ContentDelta delta) override {
    EXPECT_TRUE(started_.has_value()) << "content before started";
    EXPECT_EQ(ends_, 0) << "content after the end";
    deltas_.push_back(std::move(delta));
    if (fill_after_ > 0 && --fill_after_ == 0) full_ = true;
  }
  bool full() const override { return full_; }
  void FinishAnswer(exchange::Completed completed, model::Answer answer) override {
    NoteEnd(&completed);
    answer_ = std::move(answer);
  }
  void FinishStream(exchange::Completed completed, std::vector<model::ChoiceEnd> ends) override {
    EXPECT_TRUE(started_.has_value()) << "a complete stream without started";
    NoteEnd(&completed);
    choice_ends_ = std::move(ends);
  }
  void Fail(const model::CallError& error, std::string_view request_id) override {
    NoteEnd(nullptr);
    error_ = error;
    request_id_ = std::string(request_id);
  }
  int64_t chunks_sent() const override { return static_cast<int64_t>(deltas_.size()); }
  int64_t bytes_sent() const override { return static_cast<int64_t>(text().size()); }

  // What the test sets.
  void set_full(bool full) { full_ = full; }
  // Full once `deltas` more have been sent.
  void FillAfter(int deltas) { fill_after_ = deltas; }
  // Runs inside of the end, as an edge does that settles its own affairs there.
  void set_on_end(std::function<void()> on_end) { on_end_ = std::move(on_end); }

  // What the test reads.
  const std::map<std::string, std::string>& headers() const { return headers_; }
  // "(none)" where it was not sent.
  std::string header(const std::string& name) const {
    const auto it = headers_.find(name);
    return it == headers_.end() ? "(none)" : it->second;
  }
  const std::optional<Started>& started() const { return started_; }
  const std::vector<model::ContentDelta>& deltas() const { return deltas_; }
  // All texts of the first choice, joined.
  std::string text() const {
    std::string all;
    for (const model::ContentDelta& delta : deltas_) {
      if (const auto* piece = std::get_if<model::TextDelta>(&delta)) all += piece->text;
    }
    return all;
  }
  int ends() const { return ends_; }
  const std::optional<exchange::Completed>& completed() const { return completed_; }
  const std::optional<model::Answer>& answer() const { return answer_; }
  const std::vector<model::ChoiceEnd>& choice_ends() const { return choice_ends_; }
  const std::optional<model::CallError>& error() const { return error_; }
  // Of the end.
  const std::string& request_id() const { return request_id_; }

 private:
  bool begun() const { return started_ || ends_ > 0; }
  void NoteEnd(const exchange::Completed* completed) {
    EXPECT_EQ(++ends_, 1) << "a second end";
    if (completed != nullptr) {
      completed_ = *completed;
      request_id_ = std::string(completed->request_id);
    }
    if (on_end_) on_end_();
  }

  bool full_ = false;
  int fill_after_ = 0;
  std::function<void()> on_end_;
  std::map<std::string, std::string> headers_;
  std::optional<Started> started_;
  std::vector<model::ContentDelta> deltas_;
  int ends_ = 0;
  std::optional<exchange::Completed> completed_;
  std::optional<model::Answer> answer_;
  std::vector<model::ChoiceEnd> choice_ends_;
  std::optional<model::CallError> error_;
  std::string request_id_;
};

}  // namespace pingti::fakes
