#include "client/command/request.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "client/command/utf8.h"

namespace pingti::command {
namespace {

// The server's default limit for a request; it may allow less for one picture.
constexpr std::size_t kImageBytesMax = std::size_t{20} << 20;

client::Error Invalid(std::string message) {
  return client::LocalError(grpc::StatusCode::INVALID_ARGUMENT, std::move(message));
}

// The media type by the signature at the begin of the file, or empty.
std::string_view MediaTypeOf(std::string_view bytes) {
  using namespace std::string_view_literals;
  if (bytes.starts_with("\x89PNG\r\n\x1a\n"sv)) return "image/png";
  if (bytes.starts_with("\xff\xd8\xff"sv)) return "image/jpeg";
  if (bytes.starts_with("GIF87a"sv) || bytes.starts_with("GIF89a"sv)) return "image/gif";
  if (bytes.starts_with("RIFF"sv) && bytes.substr(0, 12).ends_with("WEBP"sv)) return "image/webp";
  return "";
}

client::Result<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Invalid("--image: cannot open " + path + ": " + std::strerror(errno));
  std::string bytes(kImageBytesMax + 1, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (file.bad()) return Invalid("--image: cannot read " + path);
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  if (bytes.size() > kImageBytesMax) return Invalid("--image: " + path + " is larger than 20 MB");
  return bytes;
}

// Names the first option whose text is not UTF-8: protobuf would send it, and the server would
// refuse the whole message without saying which field.
std::string NotUtf8(const RequestOptions& options) {
  if (!IsValidUtf8(options.model)) return "--model";
  if (!IsValidUtf8(options.system)) return "--system";
  if (!IsValidUtf8(options.request_id)) return "--request-id";
  for (const std::string& stop : options.stop) {
    if (!IsValidUtf8(stop)) return "--stop";
  }
  for (const auto& [key, value] : options.labels) {
    if (!IsValidUtf8(key) || !IsValidUtf8(value)) return "--label";
  }
  return "";
}

}  // namespace

client::Result<v1::CompletionSpec> MakeSpec(const RequestOptions& options) {
  if (const std::string option = NotUtf8(options); !option.empty()) {
    return Invalid(option + " is not valid UTF-8");
  }
  v1::CompletionSpec spec;
  spec.set_model(options.model);
  if (!options.system.empty()) {
    v1::Message& message = *spec.add_messages();
    message.set_role(v1::ROLE_SYSTEM);
    message.add_parts()->set_text(options.system);
  }
  v1::Sampling sampling;
  if (options.temperature) sampling.set_temperature(*options.temperature);
  if (options.max_output_tokens) sampling.set_max_output_tokens(*options.max_output_tokens);
  if (options.seed) sampling.set_seed(*options.seed);
  for (const std::string& stop : options.stop) sampling.add_stop(stop);
  if (sampling.ByteSizeLong() > 0) *spec.mutable_sampling() = std::move(sampling);
  spec.set_reasoning_effort(options.reasoning_effort);
  spec.set_request_id(options.request_id);
  spec.mutable_labels()->insert(options.labels.begin(), options.labels.end());
  return spec;
}

client::Result<v1::Message> MakeUserMessage(std::string_view text,
                                            const std::vector<std::string>& images) {
  if (text.empty()) return Invalid("the prompt is empty");
  if (!IsValidUtf8(text)) return Invalid("the prompt is not valid UTF-8");
  v1::Message message;
  message.set_role(v1::ROLE_USER);
  for (const std::string& image : images) {
    client::Result<v1::Image> made = MakeImage(image);
    if (!made.ok()) return made.error();
    *message.add_parts()->mutable_image() = std::move(*made);
  }
  message.add_parts()->set_text(std::string(text));
  return message;
}

client::Result<v1::Image> MakeImage(const std::string& path_or_url) {
  v1::Image image;
  for (const std::string_view scheme : {"https://", "http://", "data:"}) {
    if (!path_or_url.starts_with(scheme)) continue;
    if (!IsValidUtf8(path_or_url)) return Invalid("--image: the URL is not valid UTF-8");
    image.set_url(path_or_url);
    return image;
  }
  client::Result<std::string> bytes = ReadFile(path_or_url);
  if (!bytes.ok()) return bytes.error();
  const std::string_view media_type = MediaTypeOf(*bytes);
  if (media_type.empty()) {
    return Invalid("--image: " + path_or_url + " is no PNG, JPEG, GIF or WebP picture");
  }
  image.set_media_type(std::string(media_type));
  image.set_data(std::move(*bytes));
  return image;
}

}  // namespace pingti::command
