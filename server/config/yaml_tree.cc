#include "server/config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <sstream>
#include <utility>

#include "server/base/strings.h"
#include "server/base/text.h"

namespace pingti::config {

namespace {

// Thrown out of yaml-cpp's event calls, which cannot be left in any other way; caught in ParseYaml.
class Refused : public std::exception {
 public:
  Refused(const Place& place, std::string message) : place_(place), message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }
  const Place& place() const { return place_; }

 private:
  Place place_;
  std::string message_;
};

class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const std::string& file) : file_(file) {}

  YamlNode TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) {
      throw Refused(At(mark), "a second document begins here; only one is allowed, remove `---`");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    CheckPlain(mark, "", anchor);
    Attach(NewNode(YamlNode::Kind::kNull, mark));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    CheckPlain(mark, "", anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    CheckPlain(mark, tag, anchor);
    if (!open_.empty() && open_.back().node.kind == YamlNode::Kind::kMap && !open_.back().has_key) {
      Open& map = open_.back();
      map.has_key = true;
      map.key = value;
      map.key_place = At(mark);
      return;
    }
    YamlNode node = NewNode(YamlNode::Kind::kScalar, mark);
    node.scalar = value;
    Attach(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Begin(YamlNode::Kind::kList, mark, tag, anchor);
  }
  void OnSequenceEnd() override { End(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Begin(YamlNode::Kind::kMap, mark, tag, anchor);
  }
  void OnMapEnd() override { End(); }

 private:
  // A map or list whose end has not come yet.
  struct Open {
    YamlNode node;
    bool has_key = false;  // kMap: the key of the next value is known
    std::string key;
    Place key_place;
  };

  Place At(const YAML::Mark& mark) const { return {&file_, mark.line + 1, mark.column + 1}; }

  YamlNode NewNode(YamlNode::Kind kind, const YAML::Mark& mark) const {
    YamlNode node;
    node.kind = kind;
    node.place = At(mark);
    return node;
  }

  // yaml-cpp gives `?` and `!` as the tags of plain and quoted values that have no tag.
  void CheckPlain(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) const {
    if (anchor != YAML::NullAnchor) {
      throw Refused(At(mark),
                    "anchors (&) and aliases (*) are not allowed; repeat the value, or "
                    "put a text that begins with one of these signs in quotes");
    }
    if (!tag.empty() && tag != "?" && tag != "!") {
      throw Refused(At(mark), "tags (!) are not allowed; put a text that begins with ! in quotes");
    }
  }

  void Begin(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
             YAML::anchor_t anchor) {
    CheckPlain(mark, tag, anchor);
    CheckNotKey(At(mark));
    if (open_.size() == kNestingMax) {
      throw Refused(At(mark), base::StrCat("is nested too deeply; ", kNestingMax,
                                           " levels of maps and lists are allowed"));
    }
    open_.push_back(Open{NewNode(kind, mark), false, "", {}});
  }

  void End() {
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    Attach(std::move(node));
  }

  void CheckNotKey(const Place& place) const {
    if (!open_.empty() && open_.back().node.kind == YamlNode::Kind::kMap && !open_.back().has_key) {
      throw Refused(place, "a key must be a text; or is a bracket here not closed?");
    }
  }

  void Attach(YamlNode node) {
    CheckNotKey(node.place);
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::kList) {
      parent.node.items.push_back(std::move(node));
      return;
    }
    parent.node.entries.push_back(
        YamlEntry{std::move(parent.key), parent.key_place, std::move(node)});
    parent.has_key = false;
  }

  const std::string& file_;
  int documents_ = 0;
  std::vector<Open> open_;  // at most kNestingMax
  YamlNode root_;
};

// What is wrong with a line, and in which column from 1; empty: nothing.
std::string CheckLine(std::string_view line, int* column) {
  *column = 1;
  if (!base::IsValidUtf8(line)) return "this line is not valid UTF-8; save the file as UTF-8";
  bool indentation = true;
  for (size_t i = 0; i < line.size(); ++i) {
    *column = static_cast<int>(i) + 1;
    const unsigned char byte = static_cast<unsigned char>(line[i]);
    if ((byte < 0x20 && byte != '\t' && byte != '\r') || byte == 0x7F) {
      return "a control character is here; only text is allowed";
    }
    if (indentation && byte == '\t') return "a tab is in the indentation here; use spaces";
    indentation &= byte == ' ';
  }
  return "";
}

// yaml-cpp would take bytes that are not UTF-8 for UTF-16 or replace them silently, and its
// messages about tabs help nobody.
bool CheckLines(const std::string& file, std::string_view text, Diagnostics& errors) {
  Place place{&file, 1, 1};
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string problem = CheckLine(text.substr(begin, end - begin), &place.column);
    if (!problem.empty()) {
      errors.Add(place, "", problem);
      return false;
    }
    begin = end + 1;
    ++place.line;
  }
  return true;
}

// Some of yaml-cpp's messages end with the text that they are about, which may be a secret.
std::string_view WithoutText(const std::string& message) {
  return std::string_view(message).substr(0, message.find(": "));
}

}  // namespace

const YamlEntry* YamlNode::Find(std::string_view key) const {
  auto it = std::find_if(entries.begin(), entries.end(),
                         [&](const YamlEntry& entry) { return entry.key == key; });
  return it == entries.end() ? nullptr : &*it;
}

std::string_view KindName(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::kNull:
      return "empty";
    case YamlNode::Kind::kScalar:
      return "a single value";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map";
  }
  return "";
}

std::optional<YamlNode> ParseYaml(const std::string& file, std::string_view text,
                                  Diagnostics& errors) {
  if (text.size() > kFileBytesMax) {
    errors.Add({&file, 0, 0}, "",
               base::StrCat("is larger than ", kFileBytesMax, " bytes, the most that is allowed"));
    return std::nullopt;
  }
  if (!CheckLines(file, text, errors)) return std::nullopt;
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    TreeBuilder builder(file);
    while (parser.HandleNextDocument(builder)) {
    }
    return builder.TakeRoot();
  } catch (const Refused& refused) {
    errors.Add(refused.place(), "", refused.what());
  } catch (const YAML::Exception& error) {
    errors.Add({&file, error.mark.line + 1, error.mark.column + 1}, "",
               base::StrCat("is not valid YAML: ", WithoutText(error.msg)));
  } catch (const std::exception&) {
    errors.Add({&file, 0, 0}, "", "is not valid YAML");
  }
  return std::nullopt;
}

}  // namespace pingti::config
