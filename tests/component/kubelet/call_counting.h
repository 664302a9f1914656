// Counts the calls that change something in runtime and network, and can fail or cut off at the n-th.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "cni/pod_network.h"
#include "runtime/runtime.h"

namespace keelson::kubelet {

// Stands between a kubelet and the fakes. With failAt(n) the n-th changing call fails before it reaches them.
// With dieAfter(n,
// ...) nothing reaches them after the n-th call, as if the daemon had been killed the moment that call came
// back. Any thread.
class CallCounting {
 public:
  CallCounting(runtime::Runtime& runtime, cni::PodNetwork& network)
      : runtime_(*this, runtime), network_(*this, network) {}

  runtime::Runtime& runtime() { return runtime_; }
  cni::PodNetwork& network() { return network_; }
  int calls() const { return calls_; }
  void failAt(int n) { fail_at_ = n; }
  void dieAfter(int n, std::function<void()> then) {
    then_.exchange(std::move(then));
    then_at_ = n;
  }
  // As the runtime's own news about a pod.
  void notify(const PodUid& uid) {
    const auto listener = listener_.copy();
    if (listener) listener(uid);
  }

 private:
  template <class Call>
  auto count(const char* name, Call call) -> decltype(call()) {
    const int number = ++calls_;
    if (number == fail_at_ || dead_) {
      Error error = makeError(Code::kUnavailable, "{} fails, being call {}", name, number);
      if constexpr (std::is_same_v<decltype(call()), ErrorList>) {
        ErrorList errors;
        errors.add(std::move(error));
        return errors;
      } else {
        return error;
      }
    }
    auto result = call();
    if (number == then_at_) {
      dead_ = true;
      const auto then = then_.copy();
      then();
    }
    return result;
  }

  class CountedRuntime : public runtime::Runtime {
   public:
    CountedRuntime(CallCounting& counter, runtime::Runtime& real) : counter_(counter), real_(real) {}
    Result<std::vector<PodUid>> list() const override { return real_.list(); }
    Result<runtime::ObservedPod> status(const PodUid& uid, Stop& stop) override {
      return real_.status(uid, stop);
    }
    Result<void> createSandbox(const runtime::SandboxRequest& request, Stop& stop) override {
      return counter_.count("createSandbox", [&] { return real_.createSandbox(request, stop); });
    }
    Result<UniqueFd> openNetns(const PodUid& uid, Stop& stop) override {
      return counter_.count("openNetns", [&] { return real_.openNetns(uid, stop); });
    }
    Result<DirFd> ensureTmpfs(const PodUid& uid, const std::string& name, int64_t size, uint32_t mode,
                              Stop& stop) override {
      return counter_.count("ensureTmpfs", [&] { return real_.ensureTmpfs(uid, name, size, mode, stop); });
    }
    Result<runtime::ObservedContainer> startContainer(const PodUid& uid, runtime::ContainerRequest request,
                                                      Stop& stop) override {
      return counter_.count("startContainer",
                            [&] { return real_.startContainer(uid, std::move(request), stop); });
    }
    Result<void> stopContainer(const PodUid& uid, const ContainerId& id, int signal, Duration grace,
                               Stop& stop) override {
      return counter_.count("stopContainer",
                            [&] { return real_.stopContainer(uid, id, signal, grace, stop); });
    }
    Result<void> removeContainer(const PodUid& uid, const ContainerId& id, Stop& stop) override {
      return counter_.count("removeContainer", [&] { return real_.removeContainer(uid, id, stop); });
    }
    Result<runtime::ExecSession> exec(const PodUid& uid, const ContainerId& id, runtime::ExecRequest request,
                                      Stop& stop) override {
      return real_.exec(uid, id, std::move(request), stop);
    }
    ErrorList destroySandbox(const PodUid& uid, Stop& stop) override {
      return counter_.count("destroySandbox", [&] { return real_.destroySandbox(uid, stop); });
    }
    Result<std::vector<Usage>> usage(const PodUid& uid) const override { return real_.usage(uid); }
    ErrorList cleanUp(Stop& stop) override { return real_.cleanUp(stop); }
    Result<void> ensureCgroups(const std::vector<runtime::CgroupRequest>& requests) override {
      return real_.ensureCgroups(requests);
    }
    void setListener(std::function<void(const PodUid&)> listener) override {
      counter_.listener_.exchange(listener);
      real_.setListener(std::move(listener));
    }

   private:
    CallCounting& counter_;
    runtime::Runtime& real_;
  };

  class CountedNetwork : public cni::PodNetwork {
   public:
    CountedNetwork(CallCounting& counter, cni::PodNetwork& real) : counter_(counter), real_(real) {}
    Result<void> ensureNode(Stop& stop) override { return real_.ensureNode(stop); }
    Result<std::vector<IpAddress>> attach(const cni::AttachRequest& request, Stop& stop) override {
      return counter_.count("attach", [&] { return real_.attach(request, stop); });
    }
    Result<void> detach(const PodUid& uid, Stop& stop) override {
      return counter_.count("detach", [&] { return real_.detach(uid, stop); });
    }
    Result<void> reconcile(const std::set<PodUid>& live, Stop& stop) override {
      return real_.reconcile(live, stop);
    }
    std::vector<Entry> list() const override { return real_.list(); }

   private:
    CallCounting& counter_;
    cni::PodNetwork& real_;
  };

  CountedRuntime runtime_;
  CountedNetwork network_;
  std::atomic<int> calls_{0};
  std::atomic<int> fail_at_{0};
  std::atomic<int> then_at_{0};
  std::atomic<bool> dead_{false};
  Guarded<std::function<void()>> then_;
  Guarded<std::function<void(const PodUid&)>> listener_;
};

}  // namespace keelson::kubelet
