// Whole numbers from 0 of any size, digit by digit: slow, and with no bound to overflow. What sums
// of money are compared with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

namespace pingti::billing {

class ExactNumber {
 public:
  explicit ExactNumber(uint64_t value = 0) {
    for (; value > 0; value /= 10) digits_.push_back(static_cast<char>(value % 10));
  }

  friend ExactNumber operator+(const ExactNumber& a, const ExactNumber& b) {
    ExactNumber sum;
    int carry = 0;
    for (size_t i = 0; i < std::max(a.digits_.size(), b.digits_.size()) || carry > 0; ++i) {
      const int digit = a.digit(i) + b.digit(i) + carry;
      sum.digits_.push_back(static_cast<char>(digit % 10));
      carry = digit / 10;
    }
    return sum;
  }

  friend ExactNumber operator*(const ExactNumber& a, const ExactNumber& b) {
    ExactNumber product;
    for (size_t shift = 0; shift < b.digits_.size(); ++shift) {
      for (int times = 0; times < b.digit(shift); ++times) {
        ExactNumber shifted = a;
        shifted.digits_.insert(0, shift, '\0');
        product = product + shifted;
      }
    }
    return product;
  }

  // Divided by 10^`digits`, rounded up.
  ExactNumber ShiftedDownUp(size_t digits) const {
    ExactNumber quotient;
    bool rest = false;
    for (size_t i = 0; i < digits_.size(); ++i) {
      if (i < digits) rest = rest || digits_[i] != 0;
      if (i >= digits) quotient.digits_.push_back(digits_[i]);
    }
    return rest ? quotient + ExactNumber(1) : quotient;
  }

  std::string ToString() const {
    std::string text;
    for (char digit : digits_) text.insert(text.begin(), static_cast<char>('0' + digit));
    text.erase(0, text.find_first_not_of('0'));
    return text.empty() ? "0" : text;
  }

 private:
  int digit(size_t i) const { return i < digits_.size() ? digits_[i] : 0; }

  std::string digits_;  // values, not characters; the last ones first
};

}  // namespace pingti::billing
