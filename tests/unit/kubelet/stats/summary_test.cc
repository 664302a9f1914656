#include "kubelet/stats/summary.h"

#include <gtest/gtest.h>

namespace keelson::kubelet::stats {
namespace {

SummaryInput oneRunningPod() {
  const WallTime at{std::chrono::seconds(1'700'000'000)};
  SummaryInput input;
  input.node_name = "node1";
  input.boot = at - std::chrono::hours(1);
  input.node.at = at;
  input.node.memory = kernel::CgroupMemory{Bytes{300}, Bytes{200}, Bytes{100}, Bytes{0}, {}, 5, 6};
  input.node.meminfo.total = Bytes{1000};
  input.node_cpu = Cpu{2'500'000'000, 7};
  auto pod = std::make_shared<api::Pod>();
  pod->metadata.name = "web";
  pod->metadata.namespace_ = "default";
  pod->metadata.uid = "u1";
  PodFigures figures{pod, {}, {}, {}, {std::nullopt, std::nullopt}};
  figures.stats.usage = {kernel::CgroupMemory{Bytes{30}, Bytes{20}, Bytes{10}, Bytes{0}, Bytes{50}, 0, 0},
                         1'500'000'000, 3, at};
  ContainerStats container;
  container.name = "c";
  container.running = true;
  container.started_at = at - std::chrono::minutes(1);
  container.usage = figures.stats.usage;
  ContainerStats ended;
  ended.name = "init";
  figures.stats.containers = {container, ended};
  input.pods.push_back(std::move(figures));
  return input;
}

TEST(ResourceMetrics, AreWhatMetricsServerReads) {
  const std::string text = renderResourceMetrics(oneRunningPod());
  for (const char* line :
       {"container_cpu_usage_seconds_total{container=\"c\",namespace=\"default\",pod=\"web\"} 1.5 "
        "1700000000000\n",
        "container_memory_working_set_bytes{container=\"c\",namespace=\"default\",pod=\"web\"} 20 "
        "1700000000000\n",
        "container_start_time_seconds{container=\"c\",namespace=\"default\",pod=\"web\"} 1699999940.000\n",
        "pod_cpu_usage_seconds_total{namespace=\"default\",pod=\"web\"} 1.5 1700000000000\n",
        "node_cpu_usage_seconds_total 2.5 1700000000000\n",
        "node_memory_working_set_bytes 200 1700000000000\n", "resource_scrape_error 0\n"})
    EXPECT_NE(text.find(std::string("\n") + line), std::string::npos) << line << text;
  EXPECT_EQ(text.find("init"), std::string::npos);
}

TEST(Summary, ShowsRunningContainersAndLeavesOutWhatIsNotKnown) {
  const json::value summary = buildSummary(oneRunningPod());
  const auto& node = summary.at("node").as_object();
  EXPECT_EQ(node.at("memory").at("availableBytes"), 800);
  EXPECT_EQ(node.at("cpu").at("usageNanoCores"), 7);
  EXPECT_FALSE(node.contains("fs"));
  const auto& pod = summary.at("pods").at(0).as_object();
  EXPECT_EQ(pod.at("podRef"), (json::value{{"name", "web"}, {"namespace", "default"}, {"uid", "u1"}}));
  ASSERT_EQ(pod.at("containers").as_array().size(), 1u);
  EXPECT_EQ(pod.at("memory").at("availableBytes"), 30);  // limit less working set
  EXPECT_FALSE(pod.at("cpu").as_object().contains("usageNanoCores"));
  EXPECT_FALSE(pod.contains("network"));
}

TEST(LabelText, CannotLeaveItsQuotes) { EXPECT_EQ(labelText("a\"b\\c\nd"), "a\\\"b\\\\c\\nd"); }

}  // namespace
}  // namespace keelson::kubelet::stats
