#include "server/base/random.h"

#include <random>

namespace pingti::base {
namespace {

class MersenneRandom final : public Random {
 public:
  MersenneRandom() {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device(), device(), device()};
    engine_.seed(seed);
  }
  uint64_t Next() override { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

}  // namespace

std::unique_ptr<Random> NewSeededRandom() { return std::make_unique<MersenneRandom>(); }

}  // namespace pingti::base
