#include "server/rpc/find_invalid_utf8.h"

#include <map>
#include <string_view>
#include <vector>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/slice.h>

#include "server/base/strings.h"
#include "server/base/text.h"

namespace pingti::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr int kDepthMax = 32;

std::optional<std::string> FindIn(std::string_view bytes, const Descriptor& type,
                                  const std::string& prefix, int depth) {
  CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                         static_cast<int>(bytes.size()));
  std::map<int, int> seen;  // number of a repeated field -> elements so far
  while (const uint32_t tag = input.ReadTag()) {
    if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(&input, tag)) return std::nullopt;
      continue;
    }
    uint32_t length;
    std::string value;
    if (!input.ReadVarint32(&length) || length > bytes.size() ||
        !input.ReadString(&value, static_cast<int>(length))) {
      return std::nullopt;
    }
    const FieldDescriptor* field = type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
    if (field == nullptr) continue;
    std::string path = base::StrCat(prefix, std::string_view(field->name()));
    if (field->is_repeated()) base::StrAppend(&path, "[", seen[field->number()]++, "]");
    if (field->type() == FieldDescriptor::TYPE_STRING && !base::IsValidUtf8(value)) return path;
    if (field->type() == FieldDescriptor::TYPE_MESSAGE && depth < kDepthMax) {
      if (auto found = FindIn(value, *field->message_type(), path + ".", depth + 1)) return found;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> FindInvalidUtf8(const grpc::ByteBuffer& bytes, const Descriptor& type) {
  std::vector<grpc::Slice> slices;
  if (!bytes.Dump(&slices).ok()) return std::nullopt;
  std::string flat;
  for (const grpc::Slice& slice : slices) {
    flat.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return FindIn(flat, type, "", 0);
}

}  // namespace pingti::rpc
