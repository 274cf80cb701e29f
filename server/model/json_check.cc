#include "server/model/json_check.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rapidjson/error/en.h"
#include "rapidjson/memorystream.h"
#include "rapidjson/reader.h"
#include "server/base/text.h"

namespace pingti::model {
namespace {

constexpr unsigned kParseFlags =
    rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;

// Counts the depth and keeps the names of the outermost object. Returning false stops the reader.
class Inspector : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Inspector> {
 public:
  explicit Inspector(bool object_wanted) : object_wanted_(object_wanted) {}

  bool Default() { return Scalar(); }
  bool String(const char* text, rapidjson::SizeType length, bool) {
    return IsText(text, length) && Scalar();
  }
  bool StartObject() { return Open(); }
  bool StartArray() { return (depth_ > 0 || Scalar()) && Open(); }
  bool EndObject(rapidjson::SizeType) { return Close(); }
  bool EndArray(rapidjson::SizeType) { return Close(); }
  bool Key(const char* text, rapidjson::SizeType length, bool) {
    if (!IsText(text, length)) return false;
    if (!object_wanted_ || depth_ != 1) return true;
    std::string name(text, length);
    if (std::find(members_.begin(), members_.end(), name) != members_.end()) {
      refusal_ = absl::StrCat("the name \"", name, "\" occurs twice");
      return false;
    }
    if (members_.size() == kMembersMax) {
      refusal_ = absl::StrCat("more than ", kMembersMax, " members");
      return false;
    }
    members_.push_back(std::move(name));
    return true;
  }

  const std::string& refusal() const { return refusal_; }
  std::vector<std::string> TakeMembers() { return std::move(members_); }

 private:
  // Keeps the search for duplicates cheap.
  static constexpr size_t kMembersMax = 1024;

  // The reader sees that the first half of a surrogate pair stands alone, but not the second one.
  bool IsText(const char* text, size_t length) {
    if (base::IsValidUtf8({text, length})) return true;
    refusal_ = "half a surrogate pair";
    return false;
  }
  bool Scalar() {
    if (!object_wanted_ || depth_ > 0) return true;
    refusal_ = "not a JSON object";
    return false;
  }
  bool Open() {
    if (++depth_ <= kJsonDepthMax) return true;
    refusal_ = absl::StrCat("nested deeper than ", kJsonDepthMax, " levels");
    return false;
  }
  bool Close() {
    --depth_;
    return true;
  }

  const bool object_wanted_;
  int depth_ = 0;
  std::vector<std::string> members_;
  std::string refusal_;
};

std::optional<std::string> Inspect(std::string_view json, Inspector& inspector) {
  // The reader takes a NUL for the end of the text.
  size_t nul = json.find('\0');
  if (nul != std::string_view::npos) return absl::StrCat("NUL at byte ", nul);
  rapidjson::MemoryStream stream(json.data(), json.size());
  rapidjson::Reader reader;
  rapidjson::ParseResult result = reader.Parse<kParseFlags>(stream, inspector);
  if (!result.IsError()) return std::nullopt;
  std::string what = inspector.refusal();
  if (what.empty()) {
    what = rapidjson::GetParseError_En(result.Code());
    if (!what.empty() && what.back() == '.') what.pop_back();
    if (!what.empty())
      what[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(what[0])));
  }
  return absl::StrCat(what, " at byte ", result.Offset());
}

}  // namespace

std::optional<std::string> JsonProblem(std::string_view json) {
  Inspector inspector(/*object_wanted=*/false);
  return Inspect(json, inspector);
}

std::variant<std::vector<std::string>, std::string> JsonObjectMembers(std::string_view json) {
  Inspector inspector(/*object_wanted=*/true);
  if (auto problem = Inspect(json, inspector)) return *std::move(problem);
  return inspector.TakeMembers();
}

}  // namespace pingti::model
