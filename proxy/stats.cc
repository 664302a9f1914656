#include "proxy/stats.h"

#include <algorithm>
#include <numeric>

namespace keelson::proxy {

void Histogram::observe(double value) {
  const auto bound = std::lower_bound(bounds.begin(), bounds.end(), value);
  ++counts[static_cast<size_t>(bound - bounds.begin())];
  sum += value;
}

uint64_t Histogram::count() const { return std::accumulate(counts.begin(), counts.end(), uint64_t{0}); }

std::vector<double> syncBuckets() {
  std::vector<double> bounds;
  for (double bound = 0.001; bounds.size() < 15; bound *= 2) bounds.push_back(bound);
  return bounds;
}

std::vector<double> programmingBuckets() {
  std::vector<double> bounds{0.25, 0.5};
  for (int i = 1; i <= 59; ++i) bounds.push_back(i);
  for (int i = 0; i < 12; ++i) bounds.push_back(60 + 5 * i);
  for (int i = 0; i < 7; ++i) bounds.push_back(120 + 30 * i);
  return bounds;
}

}  // namespace keelson::proxy
