#include "kubelet/node/node_object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/codec.h"
#include "kubelet/node/node_conditions.h"
#include "tests/unit/kubelet/node/node_inputs.h"

namespace keelson::kubelet::node {
namespace {

using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

const WallTime kNow = at("2026-01-01T10:00:00Z");
const WallTime kLater = at("2026-01-01T10:00:10Z");

TEST(BuildNode, HasDefaultLabelsAndTheAttachDetachAnnotation) {
  const api::Node node = buildNode(exampleInput(), kNow);
  EXPECT_THAT(
      node.metadata.labels,
      UnorderedElementsAre(Pair("kubernetes.io/hostname", "node1"), Pair("kubernetes.io/os", "linux"),
                           Pair("kubernetes.io/arch", "amd64"), Pair("beta.kubernetes.io/os", "linux"),
                           Pair("beta.kubernetes.io/arch", "amd64")));
  EXPECT_THAT(node.metadata.annotations,
              ElementsAre(Pair("volumes.kubernetes.io/controller-managed-attach-detach", "true")));
}

TEST(BuildNode, HasTheTaintsAndTheProviderOfItsSettings) {
  NodeInput input = exampleInput();
  input.settings.taints = {{"dedicated", "gpu", "NoSchedule", {}}};
  input.settings.provider_id = "example://1";
  input.settings.external_cloud_provider = true;
  input.settings.register_schedulable = false;
  const api::Node node = buildNode(input, kNow);
  ASSERT_EQ(node.spec.taints.size(), 3u);
  EXPECT_EQ(node.spec.taints[0].key, "dedicated");
  EXPECT_EQ(node.spec.taints[1].key, "node.kubernetes.io/unschedulable");
  EXPECT_EQ(node.spec.taints[2].key, "node.cloudprovider.kubernetes.io/uninitialized");
  EXPECT_EQ(node.spec.taints[2].value, "true");
  EXPECT_TRUE(node.spec.unschedulable);
  EXPECT_EQ(node.spec.provider_id, "example://1");
}

TEST(BuildNodeStatus, TellsTheMachineAndTheVersions) {
  NodeInput input = exampleInput();
  input.facts.swap = Bytes{4096};
  const auto status = buildNodeStatus(input, nullptr, kNow);
  EXPECT_EQ(status.node_info.kubelet_version, "v1.36.0");
  EXPECT_EQ(status.node_info.container_runtime_version, "keelson://" KEELSON_VERSION);
  EXPECT_EQ(status.node_info.kube_proxy_version, "");
  EXPECT_EQ(status.node_info.operating_system, "linux");
  EXPECT_EQ(status.node_info.swap_capacity, 4096);
  EXPECT_EQ(status.kubelet_port, 10250);
  EXPECT_THAT(status.addresses, ElementsAre(api::NodeAddress{"InternalIP", "192.0.2.10"},
                                            api::NodeAddress{"Hostname", "node1"}));
}

TEST(BuildNodeStatus, ListsBothFamiliesInTheOrderGiven) {
  NodeInput input = exampleInput();
  input.addresses = {ip("2001:db8::10"), ip("192.0.2.10")};
  const auto status = buildNodeStatus(input, nullptr, kNow);
  ASSERT_EQ(status.addresses.size(), 3u);
  EXPECT_EQ(status.addresses[0].address, "2001:db8::10");
  EXPECT_EQ(status.addresses[1].address, "192.0.2.10");
}

TEST(BuildNodeStatus, LeavesTheAddressesToAnExternalProvider) {
  NodeInput input = exampleInput();
  input.settings.external_cloud_provider = true;
  EXPECT_TRUE(buildNodeStatus(input, nullptr, kNow).addresses.empty());
  api::Node before;
  before.status.addresses = {{"ExternalIP", "198.51.100.1"}};
  EXPECT_EQ(buildNodeStatus(input, &before, kNow).addresses, before.status.addresses);
  input.settings.node_ips = {ip("192.0.2.10")};
  EXPECT_EQ(buildNodeStatus(input, nullptr, kNow).addresses.size(), 2u);
  EXPECT_EQ(buildNode(input, kNow).metadata.annotations.at("alpha.kubernetes.io/provided-node-ip"),
            "192.0.2.10");
}

TEST(BuildNodeStatus, KeepsWhatOthersReport) {
  api::Node before;
  before.status.capacity["example.com/gpu"] = api::Quantity::of(2);
  before.status.conditions = {{"NetworkUnavailable", "False", kNow, kNow, "RouteCreated", ""}};
  before.status.volumes_attached = {{"vol", "/dev/sdb"}};
  const auto status = buildNodeStatus(exampleInput(), &before, kLater);
  EXPECT_EQ(status.capacity.at("example.com/gpu").value(), 2);
  EXPECT_EQ(status.allocatable.at("example.com/gpu").value(), 2);
  EXPECT_EQ(status.conditions[0], before.status.conditions[0]);
  EXPECT_EQ(status.volumes_attached, before.status.volumes_attached);
}

TEST(BuildNodeStatus, SurvivesTheWayThroughJson) {
  NodeInput input = exampleInput();
  input.settings.runtime_handlers = {{"", true, false}};
  input.settings.supplemental_groups_policy = true;
  input.settings.declared_features = {"B", "A"};
  input.volumes_in_use = {"v2", "v1"};
  const api::Node node = buildNode(input, kNow + std::chrono::milliseconds(400));
  const auto back = api::decode<api::Node>(api::encode(node));
  ASSERT_TRUE(back) << back.error().text;
  EXPECT_TRUE(back->warnings.empty());
  EXPECT_EQ(back->value, node);
  EXPECT_THAT(node.status.declared_features, ElementsAre("A", "B"));
}

TEST(BuildNodeStatus, ListsTheLargestImagesWithDigestsFirst) {
  NodeInput input = exampleInput();
  for (int i = 1; i <= 3; ++i) {
    auto image = std::make_shared<runtime::Image>();
    image->id = "sha256:" + std::to_string(i);
    image->size = Bytes{i * 100};
    image->repo_tags = {"r:1", "r:2", "r:3", "r:4", "r:5"};
    image->repo_digests = {"r@sha256:a"};
    input.images.push_back(image);
  }
  input.settings.max_images = 2;
  const auto status = buildNodeStatus(input, nullptr, kNow);
  ASSERT_EQ(status.images.size(), 2u);
  EXPECT_EQ(status.images[0].size_bytes, 300);
  EXPECT_THAT(status.images[0].names, ElementsAre("r@sha256:a", "r:1", "r:2", "r:3", "r:4"));
  input.settings.max_images = -1;
  EXPECT_EQ(buildNodeStatus(input, nullptr, kNow).images.size(), 3u);
}

TEST(StatusChanged, IgnoresHeartbeatsAndNothingElse) {
  const api::Node before = buildNode(exampleInput(), kNow);
  EXPECT_FALSE(statusChanged(before.status, buildNodeStatus(exampleInput(), &before, kLater)));
  NodeInput input = exampleInput();
  input.pressure.disk = true;
  EXPECT_TRUE(statusChanged(before.status, buildNodeStatus(input, &before, kLater)));
  input = exampleInput();
  input.facts.memory = Bytes{1 << 30};
  EXPECT_TRUE(statusChanged(before.status, buildNodeStatus(input, &before, kLater)));
}

TEST(UpdateNode, AssertsOsAndArchLabels) {
  api::Node before = buildNode(exampleInput(), kNow);
  before.metadata.labels["kubernetes.io/arch"] = "wrong";
  before.metadata.labels.erase("kubernetes.io/os");
  before.metadata.labels["mine"] = "kept";
  const api::Node after = updateNode(exampleInput(), before, kLater);
  EXPECT_EQ(after.metadata.labels.at("kubernetes.io/arch"), "amd64");
  EXPECT_EQ(after.metadata.labels.at("kubernetes.io/os"), "linux");
  EXPECT_EQ(after.metadata.labels.at("mine"), "kept");
}

TEST(ReconcileNode, CorrectsDefaultsAndKeepsTheRest) {
  NodeInput input = exampleInput();
  input.settings.labels = {{"disk", "ssd"}};
  input.facts.hugepages[2 << 20] = Bytes{4 << 20};
  api::Node existing = buildNode(exampleInput(), kNow);
  existing.metadata.labels["kubernetes.io/hostname"] = "old";
  existing.metadata.labels["team"] = "a";
  existing.metadata.annotations.clear();
  existing.spec.unschedulable = true;
  existing.status.capacity["hugepages-1Gi"] = api::Quantity::ofBytes(1 << 30);
  existing.status.capacity["example.com/gpu"] = api::Quantity::of(2);
  const api::Node node = reconcileNode(input, existing);
  EXPECT_EQ(node.metadata.labels.at("kubernetes.io/hostname"), "node1");
  EXPECT_EQ(node.metadata.labels.at("team"), "a");
  EXPECT_FALSE(node.metadata.labels.contains("disk"));  // as upstream: only at creation
  EXPECT_EQ(node.metadata.annotations.size(), 1u);
  EXPECT_TRUE(node.spec.unschedulable);
  EXPECT_FALSE(node.status.capacity.contains("hugepages-1Gi"));
  EXPECT_EQ(node.status.capacity.at("hugepages-2Mi").value(), 4 << 20);
  EXPECT_EQ(node.status.capacity.at("example.com/gpu").value(), 2);
  input.settings.reset_extended_resources = true;
  EXPECT_TRUE(reconcileNode(input, existing).status.capacity.at("example.com/gpu").isZero());
}

}  // namespace
}  // namespace keelson::kubelet::node
