#include "client/command/labels.h"

namespace pingti::command {

std::string ParseLabels(const char* flag, const std::vector<std::string>& texts,
                        std::map<std::string, std::string>* labels) {
  for (const std::string& text : texts) {
    const auto equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return std::string(flag) + ": '" + text + "' is not NAME=VALUE";
    }
    const std::string name = text.substr(0, equals);
    if (!labels->emplace(name, text.substr(equals + 1)).second) {
      return std::string(flag) + ": '" + name + "' is given twice";
    }
  }
  return "";
}

}  // namespace pingti::command
