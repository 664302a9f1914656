// A container runtime in memory, for tests of what stands above runtime::Runtime.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/fs.h"
#include "base/guarded.h"
#include "runtime/runtime.h"
#include "runtime/shim_protocol.h"
#include "runtime/wire.h"

namespace keelson::fakes {

// What a fake container does when it is sent its stop signal.
enum class OnStop { kExits, kIgnores };

// A started container, as a test may look at it.
struct FakeContainer {
  runtime::ObservedContainer observed;
  runtime::ContainerPlan plan;  // mounts filled in from the request
  runtime::CgroupRequest cgroup;
  std::string image_id;
  std::string log_directory;
  std::string user;
  std::vector<uint32_t> supplemental_groups;
  std::vector<std::pair<int, Duration>> stops;  // signals with their grace, in order
  std::optional<SteadyTime> kill_at;
};

struct FakePod {
  runtime::ObservedPod observed;
  runtime::SandboxRequest sandbox;
  std::map<std::string, int64_t> tmpfs;  // name -> size
  std::vector<FakeContainer> containers;
};

// Stateful and strict: refuses what NativeRuntime refuses (a second sandbox, a container without a
// ready sandbox, a used id, a running container's removal). Nothing happens by itself: a container
// exits when the test says so, or by stopContainer(). Grace periods follow the given clock at
// tick() and status(). The listener runs on the loop, as the real one's. Any thread.
class FakeRuntime : public runtime::Runtime {
 public:
  // `tmpfs_root`: an existing folder in which ensureTmpfs makes its directories.
  FakeRuntime(Loop& loop, Clock& clock, std::string tmpfs_root)
      : loop_(loop), clock_(clock), tmpfs_root_(std::move(tmpfs_root)) {}

  // ---- what a test does to it ----

  // The next call of `method` ("createSandbox", "startContainer", ...) fails with `error`; several
  // are used up in order.
  void failNext(const std::string& method, Error error) {
    state_.with([&](State& state) { state.failures[method].push_back(std::move(error)); });
  }
  // Every running instance of the container named `name` in the pod ends. False if none runs.
  bool exitContainer(const PodUid& uid, const std::string& name, int exit_code, int signal = 0,
                     bool oom_killed = false) {
    const bool any = state_.with([&](State& state) {
      bool found = false;
      const auto pod = state.pods.find(uid);
      if (pod == state.pods.end()) return false;
      for (auto& container : pod->second.containers) {
        if (container.observed.name != name || !container.observed.running) continue;
        end(container, exit_code, signal, oom_killed);
        found = true;
      }
      return found;
    });
    if (any) notify(uid);
    return any;
  }
  // The shim dies: its containers with it, their ends unknown to nobody but the exit records.
  void loseShim(const PodUid& uid) {
    state_.with([&](State& state) {
      const auto pod = state.pods.find(uid);
      if (pod == state.pods.end()) return;
      pod->second.observed.sandbox = runtime::SandboxPhase::kLost;
      for (auto& container : pod->second.containers) {
        if (container.observed.running) end(container, 137, 9, false);
      }
    });
    notify(uid);
  }
  // How containers of this name answer their stop signal; kExits unless told.
  void onStop(const std::string& name, OnStop behaviour) {
    state_.with([&](State& state) { state.on_stop[name] = behaviour; });
  }
  // What exec does; without one every command exits 0.
  void onExec(
      std::function<runtime::ExecResult(const ContainerId&, const std::vector<std::string>&)> handler) {
    state_.with([&](State& state) { state.on_exec = std::move(handler); });
  }
  // Commands run on and on from now (false: no more); they end by endExecs() or when they are given up.
  void holdExecs(bool hold) {
    state_.with([&](State& state) { state.hold_execs = hold; });
  }
  // The names of the containers with a held command that nobody has given up.
  std::vector<std::string> heldExecs() {
    return state_.with([](State& state) {
      std::erase_if(state.held, [](const HeldExec& held) { return held.isGivenUp(); });
      std::vector<std::string> names;
      for (const auto& held : state.held) names.push_back(held.container);
      return names;
    });
  }
  void endExecs(const runtime::ExecResult& result) {
    state_.with([&](State& state) {
      const std::string bytes =
          runtime::encodeWire(runtime::ExecOutcome{result.exit_code, result.timed_out, result.error});
      for (const auto& held : state.held) {
        [[maybe_unused]] const auto written = writeAll(held.writer.get(), bytes);
      }
      state.held.clear();
    });
  }
  // Kills whose grace period is over at the clock's now.
  void tick() {
    std::set<PodUid> changed;
    state_.with([&](State& state) {
      for (auto& [uid, pod] : state.pods) {
        if (killOverdue(pod)) changed.insert(uid);
      }
    });
    for (const auto& uid : changed) notify(uid);
  }
  // A pod that an earlier life of the agent left behind.
  void adopt(FakePod pod) {
    state_.with([&](State& state) {
      const PodUid uid(pod.sandbox.plan.uid);
      state.pods[uid] = std::move(pod);
    });
  }

  // ---- what a test asks it ----

  // Every call that changed something, in order: "createSandbox uid", "startContainer uid name", ...
  std::vector<std::string> calls() const {
    return state_.with([](const State& state) { return state.calls; });
  }
  std::optional<FakePod> pod(const PodUid& uid) const {
    return state_.with([&](const State& state) -> std::optional<FakePod> {
      const auto found = state.pods.find(uid);
      if (found == state.pods.end()) return std::nullopt;
      return found->second;
    });
  }
  std::map<std::string, runtime::CgroupRequest> cgroups() const {
    return state_.with([](const State& state) { return state.cgroups; });
  }

  // ---- runtime::Runtime ----

  Result<std::vector<PodUid>> list() const override {
    return state_.with([](const State& state) {
      std::vector<PodUid> uids;
      for (const auto& [uid, pod] : state.pods) uids.push_back(uid);
      return uids;
    });
  }

  Result<runtime::ObservedPod> status(const PodUid& uid, Stop&) override {
    return state_.with([&](State& state) -> Result<runtime::ObservedPod> {
      if (auto error = takeFailure(state, "status")) return *error;
      const auto found = state.pods.find(uid);
      if (found == state.pods.end()) return runtime::ObservedPod{};
      killOverdue(found->second);
      runtime::ObservedPod observed = found->second.observed;
      for (const auto& container : found->second.containers)
        observed.containers.push_back(container.observed);
      return observed;
    });
  }

  Result<void> createSandbox(const runtime::SandboxRequest& request, Stop& stop) override {
    TRY(stop.check("create sandbox"));
    const PodUid uid(request.plan.uid);
    const Result<void> done = state_.with([&](State& state) -> Result<void> {
      state.calls.push_back("createSandbox " + uid.str());
      if (auto error = takeFailure(state, "createSandbox")) return *error;
      if (uid.empty()) return makeError(Code::kInvalidArgument, "create sandbox: no uid");
      if (request.cgroup.path.empty())
        return makeError(Code::kInvalidArgument, "create sandbox: no cgroup path");
      if (state.pods.count(uid)) {
        return makeError(Code::kAlreadyExists, "create sandbox {}: run folder exists", uid.str());
      }
      FakePod pod;
      pod.sandbox = request;
      pod.observed.sandbox = runtime::SandboxPhase::kReady;
      pod.observed.sandbox_attempt = request.plan.attempt;
      pod.observed.sandbox_created = clock_.wall();
      pod.observed.shim_pid = state.next_pid++;
      state.pods.emplace(uid, std::move(pod));
      return {};
    });
    if (!done) return done.error();
    notify(uid);
    return {};
  }

  Result<UniqueFd> openNetns(const PodUid& uid, Stop&) override {
    const Result<void> done = state_.with([&](State& state) -> Result<void> {
      if (auto error = takeFailure(state, "openNetns")) return *error;
      return ready(state, uid);
    });
    if (!done) return done.error();
    UniqueFd netns(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!netns) return sysError("open /proc/self/ns/net");
    return netns;
  }

  Result<DirFd> ensureTmpfs(const PodUid& uid, const std::string& name, int64_t size, uint32_t mode,
                            Stop&) override {
    const Result<void> done = state_.with([&](State& state) -> Result<void> {
      if (auto error = takeFailure(state, "ensureTmpfs")) return *error;
      TRY(ready(state, uid));
      if (name.empty() || name.find('/') != std::string::npos) {
        return makeError(Code::kInvalidArgument, "tmpfs volume: bad name \"{}\"", name);
      }
      state.pods.at(uid).tmpfs.emplace(name, size);
      return {};
    });
    if (!done) return done.error();
    return DirFd::ensure(tmpfs_root_ + "/" + uid.str() + "/" + name, static_cast<mode_t>(mode));
  }

  Result<runtime::ObservedContainer> startContainer(const PodUid& uid, runtime::ContainerRequest request,
                                                    Stop& stop) override {
    TRY(stop.check("start container"));
    auto started = state_.with([&](State& state) -> Result<runtime::ObservedContainer> {
      state.calls.push_back("startContainer " + uid.str() + " " + request.plan.name);
      if (auto error = takeFailure(state, "startContainer")) return *error;
      TRY(ready(state, uid));
      FakePod& pod = state.pods.at(uid);
      TRY(checkRequest(pod, request));
      FakeContainer container;
      container.plan = std::move(request.plan);
      for (auto& mount : request.mounts) container.plan.mounts.push_back(std::move(mount.plan));
      container.cgroup = std::move(request.cgroup);
      container.image_id = request.image->id;
      container.log_directory = std::move(request.log_directory);
      container.user = std::move(request.user);
      container.supplemental_groups = std::move(request.supplemental_groups);
      container.observed.id = ContainerId(container.plan.id);
      container.observed.name = container.plan.name;
      container.observed.attempt = container.plan.attempt;
      container.observed.running = true;
      container.observed.pid = state.next_pid++;
      container.observed.started_at = clock_.wall();
      pod.containers.push_back(container);
      return container.observed;
    });
    if (!started) return started;
    notify(uid);
    return started;
  }

  Result<void> stopContainer(const PodUid& uid, const ContainerId& id, int signal, Duration grace,
                             Stop&) override {
    bool ended = false;
    const Result<void> done = state_.with([&](State& state) -> Result<void> {
      if (auto error = takeFailure(state, "stopContainer")) return *error;
      TRY(ready(state, uid));
      FakeContainer* container = find(state.pods.at(uid), id);
      state.calls.push_back("stopContainer " + uid.str() + " " +
                            (container ? container->plan.name : id.str()));
      if (container == nullptr)
        return makeError(Code::kNotFound, "stop container {}: no such container", id.str());
      if (!container->observed.running) return {};
      container->stops.emplace_back(signal, grace);  // signal 0 only arms
      const SteadyTime kill_at = clock_.steady() + std::chrono::duration_cast<SteadyTime::duration>(grace);
      if (!container->kill_at || kill_at < *container->kill_at) container->kill_at = kill_at;
      const auto behaviour = state.on_stop.find(container->plan.name);
      if (signal == 0) {
        ended = killOverdue(state.pods.at(uid));
      } else if (behaviour == state.on_stop.end() || behaviour->second == OnStop::kExits) {
        end(*container, 128 + signal, signal, false);
        ended = true;
      } else {
        ended = killOverdue(state.pods.at(uid));
      }
      return {};
    });
    if (!done) return done.error();
    if (ended) notify(uid);
    return {};
  }

  Result<void> removeContainer(const PodUid& uid, const ContainerId& id, Stop&) override {
    return state_.with([&](State& state) -> Result<void> {
      if (auto error = takeFailure(state, "removeContainer")) return *error;
      const auto pod = state.pods.find(uid);
      if (pod == state.pods.end()) return {};
      const FakeContainer* container = find(pod->second, id);
      if (container == nullptr) return {};
      if (container->observed.running) {
        return makeError(Code::kFailedPrecondition, "remove container {}: it runs", container->plan.name);
      }
      state.calls.push_back("removeContainer " + uid.str() + " " + container->plan.name);
      std::erase_if(pod->second.containers, [&](const FakeContainer& c) { return c.observed.id == id; });
      return {};
    });
  }

  Result<runtime::ExecSession> exec(const PodUid& uid, const ContainerId& id, runtime::ExecRequest request,
                                    Stop&) override {
    std::function<runtime::ExecResult(const ContainerId&, const std::vector<std::string>&)> handler;
    bool holds = false;
    std::string name;
    const Result<void> done = state_.with([&](State& state) -> Result<void> {
      if (auto error = takeFailure(state, "exec")) return *error;
      TRY(ready(state, uid));
      const FakeContainer* container = find(state.pods.at(uid), id);
      if (container == nullptr || !container->observed.running) {
        return makeError(Code::kFailedPrecondition, "exec in container {}: it does not run", id.str());
      }
      if (request.command.empty()) return makeError(Code::kInvalidArgument, "exec: no command");
      state.calls.push_back("exec " + uid.str() + " " + container->plan.name);
      handler = state.on_exec;
      holds = state.hold_execs;
      name = container->plan.name;
      return {};
    });
    if (!done) return done.error();
    if (holds) return hold(name);
    const runtime::ExecResult result = handler ? handler(id, request.command) : runtime::ExecResult{};
    int pipe[2];
    if (::pipe2(pipe, O_CLOEXEC) != 0) return sysError("pipe of exec");
    runtime::ExecSession session;
    session.result = UniqueFd(pipe[0]);
    const UniqueFd writer(pipe[1]);
    TRY(writeAll(writer.get(), runtime::encodeWire(
                                   runtime::ExecOutcome{result.exit_code, result.timed_out, result.error})));
    int cancel[2];
    if (::pipe2(cancel, O_CLOEXEC) != 0) return sysError("cancel pipe of exec");
    ::close(cancel[0]);
    session.cancel = UniqueFd(cancel[1]);
    return session;
  }

  ErrorList destroySandbox(const PodUid& uid, Stop&) override {
    const auto [errors, gone] = state_.with([&](State& state) -> std::pair<ErrorList, bool> {
      state.calls.push_back("destroySandbox " + uid.str());
      ErrorList list;
      if (auto error = takeFailure(state, "destroySandbox")) {
        list.add(std::move(*error));
        return {list, false};
      }
      return {list, state.pods.erase(uid) > 0};
    });
    if (gone) notify(uid);
    return errors;
  }

  Result<std::vector<Usage>> usage(const PodUid& uid) const override {
    return state_.with([&](const State& state) -> Result<std::vector<Usage>> {
      const auto pod = state.pods.find(uid);
      if (pod == state.pods.end())
        return makeError(Code::kNotFound, "usage of pod {}: no sandbox", uid.str());
      std::vector<Usage> all(1);
      for (const auto& container : pod->second.containers) {
        if (!container.observed.running) continue;
        all.push_back({container.plan.name, 1'000'000, Bytes{1 << 20}, 1});
        all[0].cpu_nanoseconds += 1'000'000;
        all[0].memory_working_set += Bytes{1 << 20};
        all[0].pids += 1;
      }
      return all;
    });
  }

  ErrorList cleanUp(Stop&) override {
    return state_.with([](State& state) {
      state.calls.push_back("cleanUp");
      return ErrorList{};
    });
  }

  Result<void> ensureCgroups(const std::vector<runtime::CgroupRequest>& requests) override {
    return state_.with([&](State& state) -> Result<void> {
      if (auto error = takeFailure(state, "ensureCgroups")) return *error;
      for (const auto& request : requests) state.cgroups[request.path] = request;
      return {};
    });
  }

  void setListener(std::function<void(const PodUid&)> listener) override {
    state_.with([&](State& state) { state.listener = std::move(listener); });
  }

 private:
  struct HeldExec {
    std::string container;
    UniqueFd writer;  // of the result
    UniqueFd cancel;
    bool isGivenUp() const {
      pollfd wait{cancel.get(), 0, 0};
      return ::poll(&wait, 1, 0) == 1;
    }
  };

  struct State {
    bool hold_execs = false;
    std::vector<HeldExec> held;
    std::map<PodUid, FakePod> pods;
    std::map<std::string, std::deque<Error>> failures;
    std::map<std::string, OnStop> on_stop;
    std::map<std::string, runtime::CgroupRequest> cgroups;
    std::function<runtime::ExecResult(const ContainerId&, const std::vector<std::string>&)> on_exec;
    std::function<void(const PodUid&)> listener;
    std::vector<std::string> calls;
    int32_t next_pid = 1000;
  };

  Result<runtime::ExecSession> hold(const std::string& container) {
    int result[2], cancel[2];
    if (::pipe2(result, O_CLOEXEC) != 0) return sysError("pipe of exec");
    runtime::ExecSession session;
    session.result = UniqueFd(result[0]);
    HeldExec held{container, UniqueFd(result[1]), UniqueFd()};
    if (::pipe2(cancel, O_CLOEXEC) != 0) return sysError("cancel pipe of exec");
    held.cancel = UniqueFd(cancel[0]);
    session.cancel = UniqueFd(cancel[1]);
    state_.with([&](State& state) { state.held.push_back(std::move(held)); });
    return session;
  }

  static std::optional<Error> takeFailure(State& state, const std::string& method) {
    auto& queue = state.failures[method];
    if (queue.empty()) return std::nullopt;
    Error error = std::move(queue.front());
    queue.pop_front();
    return error;
  }

  static Result<void> ready(const State& state, const PodUid& uid) {
    const auto pod = state.pods.find(uid);
    if (pod == state.pods.end() || pod->second.observed.sandbox != runtime::SandboxPhase::kReady) {
      return makeError(Code::kFailedPrecondition, "pod {}: sandbox is not ready", uid.str());
    }
    return {};
  }

  static FakeContainer* find(FakePod& pod, const ContainerId& id) {
    for (auto& container : pod.containers) {
      if (container.observed.id == id) return &container;
    }
    return nullptr;
  }

  static Result<void> checkRequest(FakePod& pod, const runtime::ContainerRequest& request) {
    const auto& plan = request.plan;
    const auto bad = [&](const char* why) {
      return makeError(Code::kInvalidArgument, "start container {}: {}", plan.name, why);
    };
    if (plan.id.size() != 64) return bad("id is not 64 hex digits");
    if (plan.name.empty()) return bad("no name");
    if (!plan.mounts.empty()) return bad("plan.mounts must be empty");
    if (plan.process.args.empty()) return bad("no command specified");
    if (!request.image) return bad("no image");
    if (request.cgroup.path.empty()) return bad("no cgroup path");
    if (request.log_directory.empty() || request.log_directory[0] != '/') return bad("no log directory");
    if (plan.log_name.empty()) return bad("no log name");
    if (find(pod, ContainerId(plan.id)) != nullptr) {
      return makeError(Code::kAlreadyExists, "start container {}: id {} is in use", plan.name, plan.id);
    }
    for (const auto& mount : request.mounts) {
      if (mount.plan.target.empty() || mount.plan.target[0] != '/')
        return bad("mount target is not absolute");
      if (mount.plan.source == runtime::MountSource::kDescriptor && !mount.source.valid()) {
        return bad("mount without a descriptor");
      }
      if (mount.plan.source == runtime::MountSource::kPodTmpfs && !pod.tmpfs.count(mount.plan.tmpfs_name)) {
        return makeError(Code::kNotFound, "start container {}: no tmpfs {}", plan.name,
                         mount.plan.tmpfs_name);
      }
    }
    if (!plan.target_container_id.empty()) {
      const FakeContainer* target = find(pod, ContainerId(plan.target_container_id));
      if (target == nullptr || !target->observed.running) {
        return makeError(Code::kFailedPrecondition, "start container {}: target container does not run",
                         plan.name);
      }
    }
    return {};
  }

  void end(FakeContainer& container, int exit_code, int signal, bool oom_killed) const {
    container.observed.running = false;
    container.observed.pid = 0;
    container.observed.finished_at = clock_.wall();
    container.observed.exit_code = exit_code;
    container.observed.signal = signal;
    container.observed.oom_killed = oom_killed;
    container.kill_at.reset();
  }

  bool killOverdue(FakePod& pod) const {
    bool any = false;
    for (auto& container : pod.containers) {
      if (!container.observed.running || !container.kill_at || clock_.steady() < *container.kill_at) continue;
      end(container, 137, 9, false);
      any = true;
    }
    return any;
  }

  void notify(const PodUid& uid) {
    loop_.post([this, uid] {
      const auto listener = state_.with([](const State& state) { return state.listener; });
      if (listener) listener(uid);
    });
  }

  Loop& loop_;
  Clock& clock_;
  const std::string tmpfs_root_;
  Guarded<State> state_;
};

}  // namespace keelson::fakes
