// Finds an entry of a configuration by its name.
#pragma once

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace pingti::config {

template <typename T>
const T& Named(const std::vector<T>& all, const std::string& name) {
  for (const T& one : all) {
    if (one.name == name) return one;
  }
  ADD_FAILURE() << "there is no " << name;
  static const T* none = new T();
  return *none;
}

}  // namespace pingti::config
