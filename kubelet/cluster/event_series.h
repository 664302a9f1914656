// Which events are told and which are counted: the decisions, without any effect.
#pragma once

#include <cstdint>
#include <string>

#include "api/event.h"
#include "base/clock.h"
#include "base/json.h"
#include "kubelet/kubelet.h"

namespace keelson::kubelet::cluster {

// Tokens that come back one in `refill`, up to `burst`. A plain value.
class TokenBucket {
 public:
  TokenBucket(double burst, Duration refill) : burst_(burst), refill_(refill), tokens_(burst) {}
  // Takes one; false if there is none.
  bool take(SteadyTime now);
  // How long until there is one.
  Duration wait(SteadyTime now);

 private:
  void fill(SteadyTime now);
  double burst_;
  Duration refill_;
  double tokens_;
  SteadyTime filled_{};
  bool started_ = false;
};

// The object that an event is about.
api::ObjectReference podReference(const api::Pod& pod);
// Events of nodes are in namespace default, with the node's name as uid, as upstream's.
api::ObjectReference nodeReference(const std::string& node_name);

// Like events are one series: same object, part, type, reason and text.
std::string seriesKey(const api::ObjectReference& regarding, const Event& event);

// The object to create for the first of its kind; texts are cut to the API server's limits, between
// characters. Pure.
api::Event makeApiEvent(const api::ObjectReference& regarding, const Event& event,
                        const std::string& node_name, const std::string& name_suffix);
// The patch that tells of `count` occurrences in all. Pure.
json::value seriesPatch(int32_t count, WallTime last);

}  // namespace keelson::kubelet::cluster
