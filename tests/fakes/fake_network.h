// A pod network in memory, for tests of what stands above cni::PodNetwork.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "cni/pod_network.h"

namespace keelson::fakes {

// Stateful and strict: pods can be attached only after ensureNode(), keep their address until
// detach(), never share one, and a host port serves one pod. Any thread.
class FakeNetwork : public cni::PodNetwork {
 public:
  // Addresses are handed out from `first` on, `count` of them.
  explicit FakeNetwork(const std::string& first = "10.244.0.2", size_t count = 253)
      : first_(IpAddress::parse(first).value()), count_(count) {}

  void failNext(const std::string& method, Error error) {
    state_.with([&](State& state) { state.failures[method].push_back(std::move(error)); });
  }
  std::vector<std::string> calls() const {
    return state_.with([](const State& state) { return state.calls; });
  }

  Result<void> ensureNode(Stop& stop) override {
    TRY(stop.check("pod network"));
    return state_.with([](State& state) -> Result<void> {
      if (auto error = takeFailure(state, "ensureNode")) return *error;
      state.node_ready = true;
      return {};
    });
  }

  Result<std::vector<IpAddress>> attach(const cni::AttachRequest& request, Stop& stop) override {
    TRY(stop.check("attach " + request.full_name));
    return state_.with([&](State& state) -> Result<std::vector<IpAddress>> {
      state.calls.push_back("attach " + request.uid.str());
      if (auto error = takeFailure(state, "attach")) return *error;
      if (!state.node_ready)
        return makeError(Code::kFailedPrecondition, "attach {}: no bridge", request.full_name);
      if (request.netns < 0)
        return makeError(Code::kInvalidArgument, "attach {}: no netns", request.full_name);
      const auto have = state.pods.find(request.uid);
      if (have != state.pods.end()) return have->second.entry.addresses;
      Pod pod;
      for (const auto& port : request.ports) {
        const Port key{port.protocol, port.host_ip, port.host_port};
        for (const auto& [uid, other] : state.pods) {
          if (other.ports.count(key)) {
            return makeError(Code::kAlreadyExists, "attach {}: host port {} is in use", request.full_name,
                             port.host_port);
          }
        }
        pod.ports.insert(key);
      }
      std::set<IpAddress> used;
      for (const auto& [uid, other] : state.pods)
        used.insert(other.entry.addresses.begin(), other.entry.addresses.end());
      size_t offset = 0;
      while (offset < count_ && used.count(first_.plus(offset))) ++offset;
      if (offset == count_) {
        return makeError(Code::kResourceExhausted, "attach {}: no free address", request.full_name);
      }
      pod.entry = {
          request.uid, request.full_name, {first_.plus(offset)}, "veth" + request.uid.str().substr(0, 8)};
      return state.pods.emplace(request.uid, std::move(pod)).first->second.entry.addresses;
    });
  }

  Result<void> detach(const PodUid& uid, Stop&) override {
    return state_.with([&](State& state) -> Result<void> {
      state.calls.push_back("detach " + uid.str());
      if (auto error = takeFailure(state, "detach")) return *error;
      state.pods.erase(uid);
      return {};
    });
  }

  Result<void> reconcile(const std::set<PodUid>& live, Stop&) override {
    return state_.with([&](State& state) -> Result<void> {
      if (auto error = takeFailure(state, "reconcile")) return *error;
      std::erase_if(state.pods, [&](const auto& pod) { return !live.count(pod.first); });
      return {};
    });
  }

  std::vector<Entry> list() const override {
    return state_.with([](const State& state) {
      std::vector<Entry> all;
      for (const auto& [uid, pod] : state.pods) all.push_back(pod.entry);
      return all;
    });
  }

 private:
  using Port = std::tuple<std::string, std::string, uint16_t>;
  struct Pod {
    Entry entry;
    std::set<Port> ports;
  };
  struct State {
    bool node_ready = false;
    std::map<PodUid, Pod> pods;
    std::map<std::string, std::deque<Error>> failures;
    std::vector<std::string> calls;
  };

  static std::optional<Error> takeFailure(State& state, const std::string& method) {
    auto& queue = state.failures[method];
    if (queue.empty()) return std::nullopt;
    Error error = std::move(queue.front());
    queue.pop_front();
    return error;
  }

  const IpAddress first_;
  const size_t count_;
  Guarded<State> state_;
};

}  // namespace keelson::fakes
