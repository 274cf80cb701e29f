#include "tests/integration/raw_call.h"

#include <vector>

namespace pingti::integration {
namespace {

grpc::ByteBuffer Buffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string Text(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string text;
  if (!buffer.Dump(&slices).ok()) return text;
  for (const grpc::Slice& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return text;
}

}  // namespace

RawCall::RawCall(std::shared_ptr<grpc::Channel> channel, const std::string& method,
                 const std::string& request, const Headers& headers, Millis deadline)
    : channel_(std::move(channel)), stub_(channel_) {
  for (const auto& [name, value] : headers) context_.AddMetadata(name, value);
  context_.set_deadline(std::chrono::system_clock::now() + deadline);
  call_ = stub_.PrepareCall(&context_, method, &queue_);
  call_->StartCall(this);
  if (!Done()) return;
  call_->WriteLast(Buffer(request), grpc::WriteOptions(), this);
  Done();
}

RawCall::~RawCall() {
  if (!end_) {
    Cancel();
    Finish();
  }
  queue_.Shutdown();
}

bool RawCall::Done() {
  void* tag = nullptr;
  bool ok = false;
  return queue_.Next(&tag, &ok) && ok;
}

std::optional<std::string> RawCall::Next() {
  if (end_) return std::nullopt;
  grpc::ByteBuffer buffer;
  call_->Read(&buffer, this);
  if (!Done()) return std::nullopt;
  return Text(buffer);
}

client::Error RawCall::Finish() {
  while (!end_) {
    if (Next()) continue;
    grpc::Status status;
    call_->Finish(&status, this);
    Done();
    end_ = client::ErrorFromStatus(status, client::RequestIdOf(context_));
  }
  return *end_;
}

std::string RawCall::InitialHeader(const std::string& name) const {
  const auto& all = context_.GetServerInitialMetadata();
  const auto found = all.find(name);
  return found == all.end() ? "" : std::string(found->second.data(), found->second.size());
}

std::string HealthRequest(const std::string& service) {
  if (service.empty()) return "";
  return std::string("\x0a") + static_cast<char>(service.size()) + service;
}

int HealthStatus(const std::string& response) {
  return response.size() == 2 && response[0] == '\x08' ? response[1] : 0;
}

int CheckHealth(std::shared_ptr<grpc::Channel> channel, const std::string& service) {
  RawCall call(std::move(channel), "/grpc.health.v1.Health/Check", HealthRequest(service), {});
  const auto response = call.Next();
  const client::Error error = call.Finish();
  return error.ok() && response ? HealthStatus(*response) : -static_cast<int>(error.code);
}

}  // namespace pingti::integration
