// The same work asked for twice at once is done once.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <string>

#include "base/executor.h"
#include "base/guarded.h"
#include "base/result.h"

namespace keelson::runtime::images {

// Any thread. T is copied to everyone who waited.
template <class T>
class SingleFlight {
 public:
  // Runs `work` unless somebody runs it for this key now; then waits for his result. If he was cancelled
  // or ran out of time, that was his affair, and the work is tried again while `stop` allows.
  Result<T> run(const std::string& key, const std::function<Result<T>()>& work, Stop& stop) {
    while (true) {
      std::promise<Result<T>> promise;
      std::shared_future<Result<T>> theirs;
      const bool leads = flights_.with([&](Flights& flights) {
        const auto [flight, added] = flights.try_emplace(key);
        if (added) flight->second = promise.get_future().share();
        theirs = flight->second;
        return added;
      });
      if (leads) {
        auto result = work();
        flights_.with([&](Flights& flights) { flights.erase(key); });
        promise.set_value(result);
        return result;
      }
      while (theirs.wait_for(kLook) != std::future_status::ready)
        if (auto may_wait = stop.check("wait for the same work"); !may_wait)
          return std::move(may_wait).error();
      const Result<T>& result = theirs.get();
      const bool gave_up = !result && (result.error().code == Code::kCancelled ||
                                       result.error().code == Code::kDeadlineExceeded);
      if (!gave_up) return result;
      if (auto may_try = stop.check("wait for the same work"); !may_try) return std::move(may_try).error();
    }
  }

 private:
  using Flights = std::map<std::string, std::shared_future<Result<T>>>;
  static constexpr std::chrono::milliseconds kLook{50};  // between looks at `stop` while waiting
  Guarded<Flights> flights_;
};

}  // namespace keelson::runtime::images
