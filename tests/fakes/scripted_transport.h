// An HttpTransport without a network: each exchange does what the test tells it, step by step.
//
// A step changes what the transfer shows and then notifies the call, as the real transport does
// from the loop; so a call runs on inside of the step. An Exchange outlives its transfer: the test
// still sees there what was sent and whether it was aborted. Thread-safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/transport/http_transport.h"

namespace pingti::fakes {

class ScriptedExchange {
 public:
  ScriptedExchange(transport::HttpRequest request, base::Signal& wake)
      : request_(std::move(request)), wake_(&wake) {}
  ScriptedExchange(const ScriptedExchange&) = delete;
  ScriptedExchange& operator=(const ScriptedExchange&) = delete;

  // The steps. After the transfer was destroyed they do nothing.
  void Connect() {
    connected_ = true;
    Wake();
  }
  void Header(int status, std::map<std::string, std::string> headers = {}) {
    connected_ = true;
    status_ = status;
    headers_ = std::move(headers);
    Wake();
  }
  void Body(std::string_view bytes) {
    body_ += bytes;
    Wake();
  }
  // The peer's answer is complete.
  void End() {
    done_ = true;
    Wake();
  }
  void Error(transport::TransportError error, std::string text = "scripted") {
    done_ = true;
    error_ = error;
    error_text_ = std::move(text);
    Wake();
  }
  // Header, body and end in one go, with one notification: what a fast provider looks like.
  void Answer(int status, std::map<std::string, std::string> headers, std::string_view body) {
    connected_ = true;
    status_ = status;
    headers_ = std::move(headers);
    body_ += body;
    done_ = true;
    Wake();
  }

  const transport::HttpRequest& request() const { return request_; }
  // The call still holds the transfer.
  bool held() const { return wake_ != nullptr; }
  // The call dropped it before it was complete: the real one closes its connection then.
  bool aborted() const { return aborted_; }
  // Arrived and not taken by the call.
  size_t unconsumed() const { return body_.size(); }

 private:
  friend class ScriptedTransfer;
  void Wake() {
    if (wake_ != nullptr) wake_->Notify();
  }

  const transport::HttpRequest request_;
  base::Signal* wake_;
  bool connected_ = false;
  int status_ = 0;
  std::map<std::string, std::string> headers_;
  std::string body_;
  bool done_ = false;
  bool aborted_ = false;
  transport::TransportError error_ = transport::TransportError::kNone;
  std::string error_text_;
};

class ScriptedTransfer final : public transport::HttpTransfer {
 public:
  explicit ScriptedTransfer(std::shared_ptr<ScriptedExchange> exchange)
      : exchange_(std::move(exchange)) {}
  ~ScriptedTransfer() override {
    exchange_->wake_ = nullptr;
    exchange_->aborted_ = !exchange_->done_;
  }
  int status() const override { return exchange_->status_; }
  std::string_view header(std::string_view lower_case_name) const override {
    const auto it = exchange_->headers_.find(std::string(lower_case_name));
    return it == exchange_->headers_.end() ? std::string_view() : it->second;
  }
  std::string_view body() const override { return exchange_->body_; }
  void Consume(size_t bytes) override {
    ASSERT_LE(bytes, exchange_->body_.size());
    exchange_->body_.erase(0, bytes);
  }
  bool done() const override { return exchange_->done_; }
  transport::TransportError error() const override {
    EXPECT_TRUE(exchange_->done_) << "error() is valid when done() only";
    return exchange_->error_;
  }
  std::string_view error_text() const override { return exchange_->error_text_; }
  bool connected() const override { return exchange_->connected_; }

 private:
  const std::shared_ptr<ScriptedExchange> exchange_;
};

class ScriptedTransport final : public transport::HttpTransport {
 public:
  std::unique_ptr<transport::HttpTransfer> Start(transport::HttpRequest request,
                                                 base::Signal& wake) override {
    exchanges_.push_back(std::make_shared<ScriptedExchange>(std::move(request), wake));
    return std::make_unique<ScriptedTransfer>(exchanges_.back());
  }

  // In the order in which they were started.
  const std::vector<std::shared_ptr<ScriptedExchange>>& exchanges() const { return exchanges_; }

 private:
  std::vector<std::shared_ptr<ScriptedExchange>> exchanges_;
};

}  // namespace pingti::fakes
