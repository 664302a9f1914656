#include "kubelet/pod_files.h"

#include "tests/unit/kubelet/pods.h"

namespace keelson::kubelet {
namespace {

TEST(PodHostname, IsThePodsNameWithinADnsLabel) {
  api::Pod pod = onePod();
  EXPECT_EQ(podHostname(pod, "cluster.local")->kernel, "web");
  pod.metadata.name = std::string(61, 'a') + ".-b";
  EXPECT_EQ(podHostname(pod, "cluster.local")->host, std::string(61, 'a'));
  pod.spec.hostname = "own";
  EXPECT_EQ(podHostname(pod, "cluster.local")->host, "own");
  pod.spec.hostname_override = "over.example";
  EXPECT_EQ(podHostname(pod, "cluster.local")->kernel, "over.example");
}

TEST(PodHostname, AnFqdnMustFitTheKernel) {
  api::Pod pod = onePod("Always", "  subdomain: sub\n  setHostnameAsFQDN: true\n");
  const auto name = podHostname(pod, "cluster.local");
  EXPECT_EQ(name->domain, "sub.default.svc.cluster.local");
  EXPECT_EQ(name->kernel, "web.sub.default.svc.cluster.local");
  pod.spec.subdomain = std::string(50, 's');
  const auto too_long = podHostname(pod, "cluster.local");
  ASSERT_FALSE(too_long);
  EXPECT_NE(too_long.error().text.find("is too long (64 characters is the max, 80 characters requested)"),
            std::string::npos)
      << too_long.error().text;
}

TEST(RenderHosts, IsKubeletsText) {
  const api::Pod pod =
      onePod("Always", "  subdomain: sub\n  hostAliases: [{ip: 192.0.2.7, hostnames: [one, two]}]\n");
  EXPECT_EQ(renderHosts(pod, *podHostname(pod, "cluster.local"), {"10.244.0.2", "fd00::2"}, "ignored"),
            "# Kubernetes-managed hosts file.\n"
            "127.0.0.1\tlocalhost\n"
            "::1\tlocalhost ip6-localhost ip6-loopback\n"
            "fe00::0\tip6-localnet\n"
            "fe00::0\tip6-mcastprefix\n"
            "fe00::1\tip6-allnodes\n"
            "fe00::2\tip6-allrouters\n"
            "10.244.0.2\tweb.sub.default.svc.cluster.local\tweb\n"
            "fd00::2\tweb.sub.default.svc.cluster.local\tweb\n"
            "\n# Entries added by HostAliases.\n"
            "192.0.2.7\tone\ttwo\n");
}

TEST(RenderHosts, CopiesTheNodesFileForTheHostsNetwork) {
  const api::Pod pod = onePod("Always", "  hostNetwork: true\n");
  EXPECT_EQ(renderHosts(pod, *podHostname(pod, ""), {"192.0.2.1"}, "127.0.0.1 localhost\n"),
            "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n");
}

DnsFacts dns() {
  DnsFacts facts;
  facts.cluster_dns = {"10.96.0.10"};
  facts.cluster_domain = "cluster.local";
  facts.node_file = "# comment\nnameserver 192.0.2.53\nsearch example.com. corp.example\noptions timeout:1\n";
  return facts;
}

struct DnsCase {
  const char* name;
  const char* spec;
  const char* text;
};

TEST(RenderResolvConf, FollowsPolicyAndConfig) {
  const DnsCase cases[] = {
      {"ClusterFirst", "",
       "search default.svc.cluster.local svc.cluster.local cluster.local example.com corp.example\n"
       "nameserver 10.96.0.10\noptions ndots:5\n"},
      {"Default", "  dnsPolicy: Default\n",
       "search example.com corp.example\nnameserver 192.0.2.53\noptions timeout:1\n"},
      {"host network", "  hostNetwork: true\n",
       "search example.com corp.example\nnameserver 192.0.2.53\noptions timeout:1\n"},
      {"ClusterFirstWithHostNet", "  hostNetwork: true\n  dnsPolicy: ClusterFirstWithHostNet\n",
       "search default.svc.cluster.local svc.cluster.local cluster.local example.com corp.example\n"
       "nameserver 10.96.0.10\noptions ndots:5\n"},
      {"None",
       "  dnsPolicy: None\n  dnsConfig: {nameservers: [192.0.2.1], searches: [a.b], options: [{name: ndots, "
       "value: '2'}, "
       "{name: edns0}]}\n",
       "search a.b\nnameserver 192.0.2.1\noptions ndots:2 edns0\n"},
      {"merged",
       "  dnsConfig: {nameservers: [10.96.0.10, 192.0.2.1], options: [{name: ndots, value: '2'}]}\n",
       "search default.svc.cluster.local svc.cluster.local cluster.local example.com corp.example\n"
       "nameserver 10.96.0.10\nnameserver 192.0.2.1\noptions ndots:2\n"},
  };
  for (const auto& one : cases) {
    const ResolvConf made = renderResolvConf(onePod("Always", one.spec), dns());
    EXPECT_EQ(made.text, one.text) << one.name;
    EXPECT_TRUE(made.notes.empty()) << one.name;
  }
}

TEST(RenderResolvConf, FallsBackToTheNodeWithoutClusterDns) {
  DnsFacts facts = dns();
  facts.cluster_dns.clear();
  const ResolvConf made = renderResolvConf(onePod(), facts);
  EXPECT_EQ(made.text, "search example.com corp.example\nnameserver 192.0.2.53\noptions timeout:1\n");
  ASSERT_EQ(made.notes.size(), 1u);
  EXPECT_EQ(made.notes[0].reason, "MissingClusterDNS");
}

TEST(RenderResolvConf, StandsInForAnUnsetNodeFile) {
  DnsFacts facts = dns();
  facts.node_file_unset = true;
  EXPECT_EQ(renderResolvConf(onePod("Always", "  dnsPolicy: Default\n"), facts).text,
            "search .\nnameserver 127.0.0.1\nnameserver ::1\n");
}

TEST(RenderResolvConf, KeepsWithinTheLimits) {
  api::Pod pod = onePod();
  pod.spec.dns_policy = "None";
  pod.spec.dns_config = api::PodDnsConfig{};
  for (int i = 0; i < 5; ++i) pod.spec.dns_config->nameservers.push_back("192.0.2." + std::to_string(i));
  for (int i = 0; i < 40; ++i) pod.spec.dns_config->searches.push_back("s" + std::to_string(i));
  const ResolvConf made = renderResolvConf(pod, dns());
  EXPECT_EQ(made.notes.size(), 2u);
  EXPECT_EQ(
      made.notes[0].message,
      "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: "
      "192.0.2.0 192.0.2.1 192.0.2.2");
  EXPECT_NE(made.text.find(" s31\n"), std::string::npos);
  EXPECT_EQ(made.text.find("s32"), std::string::npos);
}

}  // namespace
}  // namespace keelson::kubelet
