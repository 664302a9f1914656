#include "kubelet/admission.h"

#include "tests/unit/kubelet/pods.h"

namespace keelson::kubelet {
namespace {

NodeFacts node() { return {"node1", {{"disk", "ssd"}}, Millicpu{2000}, Bytes{int64_t{4} << 30}, 3}; }

api::PodPtr shared(api::Pod pod) { return std::make_shared<const api::Pod>(std::move(pod)); }

api::Pod withRequests(const std::string& requests, const std::string& more = "") {
  return podFrom("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n" + more +
                 "  containers:\n  - {name: web, image: nginx, resources: {requests: " + requests + "}}\n");
}

struct Case {
  const char* spec;
  const char* reason;
  const char* message;
};

TEST(AdmitPod, RefusesInKubernetesWords) {
  const Case cases[] = {
      {"  nodeSelector: {gpu: nvidia}\n", "NodeAffinity",
       "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"},
      {"  nodeSelector: {disk: ssd}\n", "", ""},
      {"  securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}\n", "SysctlForbidden",
       "Pod was rejected: forbidden sysctl: \"kernel.msgmax\" not allowlisted"},
      {"  securityContext: {sysctls: [{name: net.ipv4.tcp_syncookies, value: '1'}]}\n", "", ""},
      {"  securityContext: {sysctls: [{name: net/ipv4/tcp_syncookies, value: '1'}]}\n", "", ""},
      {"  securityContext: {appArmorProfile: {type: RuntimeDefault}}\n", "AppArmor",
       "Pod was rejected: Cannot enforce AppArmor: AppArmor profiles are not served by this node"},
      {"  os: {name: linux}\n", "", ""},
  };
  for (const auto& one : cases) {
    const Admission admission = admitPod(onePod("Always", one.spec), node(), {});
    EXPECT_EQ(admission.admitted, one.reason[0] == '\0') << one.spec;
    EXPECT_EQ(admission.reason, one.reason);
    EXPECT_EQ(admission.message, one.message);
  }
}

TEST(AdmitPod, RefusesAnotherOperatingSystem) {
  api::Pod pod = onePod();
  pod.spec.os_name = "windows";
  EXPECT_EQ(admitPod(pod, node(), {}).reason, "PodOSNotSupported");
  pod.spec.os_name.reset();
  pod.metadata.labels["kubernetes.io/os"] = "windows";
  EXPECT_EQ(admitPod(pod, node(), {}).reason, "PodOSSelectorNodeLabelDoesNotMatch");
}

TEST(AdmitPod, RefusesSysctlsOfNamespacesThatAreTheHosts) {
  api::Pod pod = onePod();
  pod.spec.host_network = true;
  pod.spec.security_context.sysctls = {{"net.ipv4.tcp_syncookies", "1"}};
  EXPECT_EQ(
      admitPod(pod, node(), {}).message,
      "Pod was rejected: forbidden sysctl: \"net.ipv4.tcp_syncookies\" not allowed with host net enabled");
  pod.spec.host_ipc = true;
  pod.spec.security_context.sysctls = {{"kernel.shm_rmid_forced", "1"}};
  EXPECT_EQ(
      admitPod(pod, node(), {}).message,
      "Pod was rejected: forbidden sysctl: \"kernel.shm_rmid_forced\" not allowed with host ipc enabled");
}

TEST(AdmitPod, CountsWhatOthersHold) {
  const auto other = shared(withRequests("{cpu: 1500m, memory: 3Gi}"));
  EXPECT_TRUE(admitPod(withRequests("{cpu: 500m}"), node(), {other}).admitted);
  const Admission cpu = admitPod(withRequests("{cpu: 501m}"), node(), {other});
  EXPECT_EQ(cpu.reason, "OutOfcpu");
  EXPECT_EQ(
      cpu.message,
      "Pod was rejected: Node didn't have enough resource: cpu, requested: 501, used: 1500, capacity: 2000");
  EXPECT_EQ(admitPod(withRequests("{memory: 2Gi}"), node(), {other}).reason, "OutOfmemory");
  const auto small = shared(onePod());
  const Admission pods = admitPod(onePod(), node(), {small, small, small});
  EXPECT_EQ(pods.reason, "OutOfpods");
  EXPECT_EQ(pods.message,
            "Pod was rejected: Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3");
}

TEST(AdmitPod, HasNoHugePages) {
  EXPECT_EQ(admitPod(podFrom(R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: web
    image: nginx
    resources:
      limits: {hugepages-2Mi: 4Mi, memory: 1Mi}
      requests: {hugepages-2Mi: 4Mi, memory: 1Mi}
)"),
                     node(), {})
                .reason,
            "OutOfhugepages-2Mi");
}

TEST(AdmitPod, RefusesATakenHostPort) {
  const auto with_port = [](const std::string& port) {
    return podFrom(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n"
        "  - {name: web, image: nginx, ports: [" +
        port + "]}\n");
  };
  const auto taken = shared(with_port("{containerPort: 80, hostPort: 8080}"));
  EXPECT_EQ(admitPod(with_port("{containerPort: 81, hostPort: 8080}"), node(), {taken}).reason, "NodePorts");
  EXPECT_TRUE(admitPod(with_port("{containerPort: 81, hostPort: 8081}"), node(), {taken}).admitted);
  EXPECT_TRUE(
      admitPod(with_port("{containerPort: 81, hostPort: 8080, protocol: UDP}"), node(), {taken}).admitted);
  EXPECT_EQ(
      admitPod(with_port("{containerPort: 81, hostPort: 8080, hostIP: 127.0.0.1}"), node(), {taken}).reason,
      "NodePorts");
  const auto local = shared(with_port("{containerPort: 80, hostPort: 8080, hostIP: 127.0.0.2}"));
  EXPECT_TRUE(admitPod(with_port("{containerPort: 81, hostPort: 8080, hostIP: 127.0.0.1}"), node(), {local})
                  .admitted);
}

TEST(PodRequest, IsTheLargerOfAppsAndTheLargestInitStep) {
  const api::Pod pod = podFrom(R"(
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  initContainers:
  - {name: side, image: nginx, restartPolicy: Always, resources: {requests: {cpu: 100m}}}
  - {name: init, image: nginx, resources: {requests: {cpu: '1'}}}
  containers:
  - {name: a, image: nginx, resources: {requests: {cpu: 200m}}}
  - {name: b, image: nginx, resources: {requests: {cpu: 300m}}}
)");
  EXPECT_EQ(podRequest(pod.spec, "cpu"), 1100);
  EXPECT_EQ(podRequest(pod.spec, "memory"), 0);
}

TEST(SysctlDots, KnowsBothSeparators) {
  EXPECT_EQ(sysctlDots("net/ipv4/conf/eth0.1/rp_filter"), "net.ipv4.conf.eth0/1.rp_filter");
  EXPECT_EQ(sysctlDots("net.ipv4.conf.eth0/1.rp_filter"), "net.ipv4.conf.eth0/1.rp_filter");
  EXPECT_EQ(sysctlDots("one"), "one");
}

}  // namespace
}  // namespace keelson::kubelet
