#include "kubelet/pod_record.h"

#include "tests/unit/kubelet/pods.h"

namespace keelson::kubelet {
namespace {

PodRecord fullRecord() {
  PodRecord record;
  record.pod_namespace = "default";
  record.pod_name = "web";
  record.source = "/etc/kubernetes/manifests/web.yaml";
  record.admission = Admission{false, "OutOfcpu", "Pod was rejected: no"};
  record.start_time = kNow;
  record.next_sandbox = 3;
  record.attached_sandbox = 2;
  record.pod_ips = {"10.244.0.2", "fd00::2"};
  InstanceRecord instance;
  instance.id = ContainerId("abc");
  instance.attempt = 7;
  instance.sandbox_attempt = 2;
  instance.image = "nginx";
  instance.image_id = "nginx@sha256:1";
  instance.stop_signal = 3;
  instance.started_at = kNow;
  instance.kill_at = kNow + seconds(30);
  api::ContainerStateTerminated exit;
  exit.exit_code = 137;
  exit.signal = 9;
  exit.reason = "OOMKilled";
  exit.message = "bye \xE2\x82\xAC";
  exit.started_at = kNow;
  exit.finished_at = kNow + seconds(1);
  exit.container_id = "keelson://abc";
  instance.exit = exit;
  instance.ready = true;
  instance.started = false;
  instance.failed_probe = "startup";
  instance.post_start = {HookPhase::kFailed, kNow, "no"};
  instance.pre_stop = {HookPhase::kBegun, kNow + seconds(1), ""};
  instance.stop_by = kNow + seconds(31);
  record.containers["web"] = {8, instance, instance, {seconds(40), kNow}};
  record.pulls["nginx"] = {{seconds(10), kNow}, kNow, "ErrImagePull", "no"};
  api::PodCondition condition;
  condition.type = "Ready";
  condition.status = "False";
  condition.reason = "ContainersNotReady";
  condition.message = "m";
  condition.last_transition_time = kNow;
  record.conditions = {condition};
  record.ending = Ending{"Failed", "Evicted", "late", kNow, seconds(1), true};
  record.deletion = Deletion{kNow, seconds(30)};
  return record;
}

TEST(PodRecord, ComesBackAsItWasWritten) {
  const auto read = decodeRecord(encodeRecord(fullRecord()));
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_EQ(*read, fullRecord());
  const auto empty = decodeRecord(encodeRecord({}));
  ASSERT_TRUE(empty);
  EXPECT_EQ(*empty, PodRecord{});
}

TEST(PodRecord, RefusesWhatItDoesNotUnderstand) {
  const char* broken[] = {
      "",
      "{",
      "[]",
      "{\"version\":2}",
      "{\"version\":1,\"containers\":[]}",
      "{\"version\":1,\"containers\":{\"web\":{\"nextAttempt\":-1}}}",
      "{\"version\":1,\"name\":7}",
      "{\"version\":1,\"startTime\":\"now\"}",
  };
  for (const char* text : broken) {
    const auto read = decodeRecord(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, Code::kDataLoss);
  }
}

TEST(PodRecord, SkipsFieldsOfALaterRelease) {
  EXPECT_TRUE(decodeRecord("{\"version\":1,\"later\":{\"x\":[1]}}"));
}

}  // namespace
}  // namespace keelson::kubelet
