#include "kubelet/stats/observer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/fakes/fake_clock.h"
#include "tests/fakes/temp_dir.h"

namespace keelson::kubelet::stats {
namespace {

const std::string kId(64, 'a');

api::Pod makePod() {
  api::Pod pod;
  pod.metadata.name = "web";
  pod.metadata.namespace_ = "shop";
  pod.metadata.uid = "u1";
  pod.spec.containers.emplace_back().name = "c";
  api::ContainerStatus status;
  status.name = "c";
  status.container_id = "keelson://" + kId;
  status.state.running.emplace();
  pod.status.container_statuses.push_back(status);
  api::Volume disk;
  disk.name = "data";
  disk.empty_dir.emplace();
  api::Volume memory;
  memory.name = "shm";
  memory.empty_dir.emplace().medium = "Memory";
  api::Volume config;
  config.name = "conf";
  config.config_map.emplace();
  api::Volume host;
  host.name = "host";
  host.host_path.emplace();
  pod.spec.volumes = {disk, memory, config, host};
  return pod;
}

TEST(PodSource, NamesTheInstancesAndTheDiskVolumes) {
  SourcePaths paths;
  paths.root_dir = "/r";
  paths.pod_logs_dir = "/l";
  paths.state_dir = "/s";
  const PodSource source = buildPodSource(makePod(), paths);
  EXPECT_EQ(source.cgroup, "kubepods/besteffort/podu1");
  ASSERT_EQ(source.containers.size(), 1u);
  EXPECT_EQ(source.containers[0].cgroup, "kubepods/besteffort/podu1/" + kId);
  EXPECT_EQ(source.containers[0].layer, "/s/containers/" + kId);
  EXPECT_EQ(source.containers[0].logs, "/l/shop_web_u1/c");
  EXPECT_TRUE(source.containers[0].running);
  ASSERT_EQ(source.volumes.size(), 2u);
  EXPECT_EQ(source.volumes[0].path, "/r/pods/u1/volumes/kubernetes.io~empty-dir/data");
  EXPECT_EQ(source.volumes[1].path, "/r/pods/u1/volumes/kubernetes.io~configmap/conf");
}

TEST(PodSource, TakesOnlyIdsOfItsOwnForm) {
  EXPECT_EQ(containerIdOf("keelson://" + kId).str(), kId);
  for (const std::string& text :
       {std::string(), std::string("keelson://"), "docker://" + kId, "keelson://" + kId + "a",
        "keelson://../" + kId.substr(3), "keelson://" + std::string(64, 'Z'), kId}) {
    EXPECT_TRUE(containerIdOf(text).empty()) << text;
  }
}

class HostObserverTest : public ::testing::Test {
 protected:
  void put(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(dir_ / path).parent_path());
    std::ofstream(dir_ / path) << text;
  }
  HostObserver observer() {
    HostObserver::Options options;
    options.hierarchies = {kernel::CgroupMode::kV2, {{{}, dir_ / "cg", true}}};
    options.pods_cgroup = "kubepods";
    options.nodefs = dir_.path();
    options.imagefs = dir_ / "not/made/yet";
    options.containerfs = "/proc";
    return HostObserver(options, clock_);
  }
  SourcePaths paths() {
    SourcePaths paths;
    paths.root_dir = dir_ / "root";
    paths.pod_logs_dir = dir_ / "logs";
    paths.state_dir = dir_ / "state";
    return paths;
  }
  TempDir dir_;
  FakeClock clock_;
  Stop stop_;
};

TEST_F(HostObserverTest, ReadsTheNode) {
  put("cg/memory.stat", "anon 100\nfile 50\ninactive_file 20\n");
  put("cg/kubepods/memory.current", "70\n");
  put("cg/kubepods/memory.stat", "inactive_file 10\n");
  put("cg/kubepods/memory.max", "1000\n");
  HostObserver watch = observer();
  const auto node = watch.node(stop_);
  ASSERT_TRUE(node.ok()) << node.error().text;
  EXPECT_EQ(node->memory->working_set.value, 130);
  EXPECT_EQ(node->pods->working_set.value, 60);
  EXPECT_EQ(node->pods->limit, Bytes{1000});
  ASSERT_TRUE(node->nodefs && node->imagefs && node->containerfs && node->tasks);
  EXPECT_EQ(node->nodefs->device, node->imagefs->device);
  EXPECT_NE(node->nodefs->device, node->containerfs->device);
  EXPECT_EQ(node->at, clock_.wall());
}

TEST_F(HostObserverTest, ReadsAPodAndItsTrees) {
  const std::string pod_dir = "cg/kubepods/besteffort/podu1/";
  for (const std::string& at : {pod_dir, pod_dir + kId + "/"}) {
    put(at + "memory.current", "500\n");
    put(at + "memory.stat", "inactive_file 100\n");
    put(at + "memory.max", "max\n");
    put(at + "cpu.stat", "usage_usec 3\n");
    put(at + "pids.current", "4\n");
  }
  put("state/containers/" + kId + "/upper/f", "x");
  put("logs/shop_web_u1/c/0.log", "line\n");
  put("root/pods/u1/volumes/kubernetes.io~empty-dir/data/f", "x");
  HostObserver watch = observer();
  const PodSource source = buildPodSource(makePod(), paths());
  const PodStats small = watch.pod(source, Detail::kCgroups, stop_);
  EXPECT_EQ(small.usage.memory->working_set.value, 400);
  EXPECT_EQ(small.usage.pids, 4u);
  EXPECT_EQ(small.usage.cpu_nanoseconds, 3000u);
  ASSERT_EQ(small.containers.size(), 1u);
  EXPECT_EQ(small.containers[0].usage.memory->working_set.value, 400);
  EXPECT_FALSE(small.containers[0].rootfs.has_value());
  const PodStats full = watch.pod(source, Detail::kDisk, stop_);
  EXPECT_EQ(full.containers[0].rootfs->inodes, 3u);
  EXPECT_EQ(full.containers[0].logs->inodes, 2u);
  ASSERT_EQ(full.volumes.size(), 1u);
  EXPECT_EQ(full.volumes[0].name, "data");
  EXPECT_FALSE(full.files.has_value());
}

TEST_F(HostObserverTest, WhatIsGoneIsAbsent) {
  HostObserver watch = observer();
  const PodStats pod = watch.pod(buildPodSource(makePod(), paths()), Detail::kDisk, stop_);
  EXPECT_FALSE(pod.usage.memory.has_value());
  EXPECT_FALSE(pod.containers.at(0).rootfs.has_value());
  EXPECT_TRUE(pod.volumes.empty());
}

}  // namespace
}  // namespace keelson::kubelet::stats
