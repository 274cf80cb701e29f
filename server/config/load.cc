#include "server/config/load.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "server/base/strings.h"
#include "server/config/add_tenants.h"
#include "server/config/fields.h"
#include "server/config/sections.h"
#include "server/config/value.h"
#include "server/config/yaml_tree.h"

namespace pingti::config {

namespace {

// Where a file name's folder ends: `config/` of `config/pingti.yaml`.
std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

std::string ErrorText(int error) {
  switch (error) {
    case ENOENT:
      return "there is no such file";
    case EACCES:
      return "permission denied";
    case EISDIR:
      return "it is a folder";
    default:
      return std::strerror(error);
  }
}

// The FileReader for real files.
absl::StatusOr<std::string> ReadDiskFile(const std::string& path, size_t bytes_max) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return absl::InvalidArgumentError(ErrorText(errno));
  std::string text;
  std::array<char, 16 * 1024> buffer;
  absl::Status status;
  while (status.ok()) {
    const ssize_t bytes = read(file, buffer.data(), buffer.size());
    if (bytes == 0) break;
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) {
      status = absl::InvalidArgumentError(ErrorText(errno));
      break;
    }
    text.append(buffer.data(), static_cast<size_t>(bytes));
    if (text.size() > bytes_max) {
      status = absl::InvalidArgumentError(
          base::StrCat("it is larger than ", FormatBytes(static_cast<int64_t>(bytes_max))));
    }
  }
  close(file);
  if (!status.ok()) return status;
  return text;
}

// One load. Keeps the trees of its files, to which the draft points.
class Loader {
 public:
  Loader(const std::string& name, const Environment& environment, const FileReader& read_file)
      : name_(name), context_{Diagnostics(), environment, read_file, FolderOf(name)} {}

  absl::StatusOr<LoadResult> Run(std::string_view text) {
    tree_ = ParseYaml(name_, text, context_.errors);
    if (tree_) ReadMain();
    if (context_.errors.count() > 0) return context_.errors.ToStatus();
    return Finished();
  }

 private:
  void ReadMain() {
    // An empty file has no place of its own; what is missing in it is missing at its begin.
    if (tree_->kind == YamlNode::Kind::kNull) tree_->place = {&name_, 1, 1};
    Fields root(*tree_, "", context_);
    if (tree_->kind != YamlNode::Kind::kMap && tree_->kind != YamlNode::Kind::kNull) return;
    ReadServerSections(root, context_, draft_);
    ReadProviders(root, context_, draft_);
    ReadCatalogueFile(root);
    ReadCatalogue(root, context_, draft_);
    ReadTenants(root, context_, draft_);
    root.Finish();
    CrossCheck(*tree_, context_, draft_);
  }

  void ReadCatalogueFile(Fields& root) {
    std::string path;
    if (root.Get("catalogue_file") == nullptr) return;
    const std::optional<YamlNode>& tree = catalogue_tree_;
    if (root.Text("catalogue_file", &path, CheckPath)) ParseCatalogue(root, path);
    if (!tree) {
      // What it would have brought may be referred to.
      draft_.models.complete = draft_.aliases.complete = draft_.tiers.complete = false;
      return;
    }
    Fields catalogue(*tree, "", context_);
    ReadCatalogue(catalogue, context_, draft_);
    catalogue.Finish();
  }

  void ParseCatalogue(Fields& root, const std::string& path) {
    if (!context_.read_file) return root.Error("catalogue_file", "files cannot be read here");
    catalogue_name_ = Resolve(context_.folder, path);
    absl::StatusOr<std::string> text = context_.read_file(catalogue_name_, kFileBytesMax);
    if (!text.ok()) {
      root.Error("catalogue_file",
                 base::StrCat("the file cannot be read: ", text.status().message()));
      return;
    }
    catalogue_tree_ = ParseYaml(catalogue_name_, *text, context_.errors);
  }

  LoadResult Finished() {
    LoadResult result{std::move(draft_.config), std::move(draft_.notes)};
    Config& config = result.config;
    for (ProviderDraft& draft : draft_.providers) {
      config.providers.push_back(std::move(draft.provider));
    }
    for (TenantDraft& draft : draft_.tenants) config.tenants.push_back(std::move(draft.tenant));
    for (AdminKeyDraft& draft : draft_.admin_keys) {
      config.admin_keys.push_back(std::move(draft.key));
    }
    config.models = draft_.models.Take();
    for (Model& model : config.models) {
      std::sort(model.prices.begin(), model.prices.end(),
                [](const PriceVersion& a, const PriceVersion& b) { return a.since < b.since; });
    }
    config.aliases = draft_.aliases.Take();
    config.tiers = draft_.tiers.Take();
    AddClosedTier(&config);
    return result;
  }

  const std::string name_;
  Context context_;
  std::optional<YamlNode> tree_;
  std::string catalogue_name_;
  std::optional<YamlNode> catalogue_tree_;
  Draft draft_;
};

}  // namespace

Environment ProcessEnvironment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos && equals > 0) {
      environment.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return environment;
}

absl::StatusOr<LoadResult> LoadFromString(std::string_view text, const std::string& name,
                                          const Environment& environment,
                                          const FileReader& read_file) {
  return Loader(name, environment, read_file).Run(text);
}

absl::StatusOr<LoadResult> Load(const std::string& path, const Environment& environment) {
  absl::StatusOr<std::string> text = ReadDiskFile(path, kFileBytesMax);
  if (!text.ok()) {
    return absl::InvalidArgumentError(
        base::StrCat(path, ": cannot be read: ", text.status().message()));
  }
  return LoadFromString(*text, path, environment, ReadDiskFile);
}

}  // namespace pingti::config
