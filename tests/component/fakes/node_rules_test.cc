#include "tests/fakes/api_server/node_rules.h"

#include <gtest/gtest.h>

#include "tests/fakes/api_server/api_server.h"
#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/fake_clock.h"

namespace keelson::fakes {
namespace {

json::object parse(const std::string& text) { return parseJson(text).value().as_object(); }

struct NodeRulesTest : ::testing::Test {
  FakeClock clock;
  ApiServer server{clock};

  void SetUp() override {
    ask("POST", "/api/v1/nodes", R"({"metadata":{"name":"n1","labels":{"kubernetes.io/hostname":"n1"}}})");
    for (const char* node : {"n1", "n2"}) {
      auto pod = parse(R"({"spec":{"volumes":[{"name":"c","configMap":{"name":"conf"}}],
        "imagePullSecrets":[{"name":"pull"}],"containers":[{"name":"c","image":"i",
        "env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"env","key":"k"}}}]}]}})");
      objectAt(pod, "metadata")["name"] = std::string("pod-") + node;
      objectAt(pod, "spec")["nodeName"] = node;
      ASSERT_EQ(server.create("/api/v1/namespaces/default/pods", pod).code, 201);
    }
    for (const char* name : {"pull", "env", "other"})
      server.create("/api/v1/namespaces/default/secrets", json::object{{"metadata", {{"name", name}}}});
    server.create("/api/v1/namespaces/default/configmaps", json::object{{"metadata", {{"name", "conf"}}}});
  }
  Answer ask(const std::string& method, const std::string& target, const std::string& body = "") {
    ServerCall call;
    call.method = method;
    const auto mark = std::min(target.find('?'), target.size());
    call.path = target.substr(0, mark);
    call.query = parseQuery(std::string_view(target).substr(std::min(mark + 1, target.size())));
    if (!body.empty()) call.body = parse(body);
    if (method == "PATCH") call.content_type = "application/strategic-merge-patch+json";
    call.user = {"system:node:n1", "", {"system:nodes", "system:authenticated"}};
    auto reply = server.handle(call);
    if (auto* answer = std::get_if<Answer>(&reply)) return *answer;
    return {200, "watch", {}};
  }
};

TEST_F(NodeRulesTest, ANodeReadsWhatItsPodsName) {
  const std::string home = "/api/v1/namespaces/default/";
  for (const char* good :
       {"secrets/pull", "secrets/env", "configmaps/conf", "configmaps/kube-root-ca.crt",
        "configmaps?fieldSelector=metadata.name%3Dconf&watch=1", "pods/pod-n1", "serviceaccounts/default"})
    EXPECT_EQ(ask("GET", home + good).code, 200) << good;
  for (const char* bad :
       {"secrets/other", "secrets", "configmaps", "pods", "pods/pod-n2", "pods/gone", "leases"})
    EXPECT_NE(ask("GET", home + bad).code, 200) << bad;
  EXPECT_EQ(ask("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1").code, 200);
  EXPECT_EQ(ask("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn2").code, 403);
  const auto refused = ask("GET", "/api/v1/pods");
  EXPECT_EQ(textAt(refused.body.as_object(), "message"),
            "pods is forbidden: User \"system:node:n1\" cannot list resource \"pods\" in API group \"\" at "
            "the cluster "
            "scope: can only list/watch pods with spec.nodeName field selector");
}

TEST_F(NodeRulesTest, TheProxysReadsNeedTheirRole) {
  const std::string slices = "/apis/discovery.k8s.io/v1/endpointslices";
  EXPECT_EQ(ask("GET", slices).code, 200);
  EXPECT_EQ(ask("GET", "/api/v1/nodes").code, 200);
  server.settings().node_proxier = false;
  EXPECT_EQ(ask("GET", slices).code, 403);
  EXPECT_EQ(ask("GET", "/api/v1/nodes").code, 403);
  EXPECT_EQ(ask("GET", "/api/v1/nodes?fieldSelector=metadata.name%3Dn1&watch=1").code, 200);
  EXPECT_EQ(ask("GET", "/api/v1/services").code, 200);
}

TEST_F(NodeRulesTest, ANodeWritesItselfOnly) {
  EXPECT_EQ(ask("PATCH", "/api/v1/nodes/n1/status", R"({"status":{"phase":"x"}})").code, 200);
  EXPECT_EQ(ask("POST", "/api/v1/nodes", R"({"metadata":{"name":"n2"}})").code, 403);
  EXPECT_EQ(
      ask("PATCH", "/api/v1/nodes/n1", R"({"spec":{"taints":[{"key":"a","effect":"NoSchedule"}]}})").code,
      403);
  EXPECT_EQ(
      ask("PATCH", "/api/v1/nodes/n1", R"({"metadata":{"labels":{"node-role.kubernetes.io/master":""}}})")
          .code,
      403);
  EXPECT_EQ(ask("PATCH", "/api/v1/nodes/n1", R"({"metadata":{"labels":{"team":"a"}}})").code, 200);
  const std::string leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
  EXPECT_EQ(ask("POST", leases, R"({"metadata":{"name":"n1"},"spec":{}})").code, 201);
  EXPECT_EQ(ask("POST", leases, R"({"metadata":{"name":"n2"},"spec":{}})").code, 403);
  EXPECT_EQ(ask("GET", leases + "/n2").code, 403);
  EXPECT_EQ(
      ask("PATCH", "/api/v1/namespaces/default/pods/pod-n2/status", R"({"status":{"phase":"Failed"}})").code,
      403);
  EXPECT_EQ(ask("DELETE", "/api/v1/namespaces/default/pods/pod-n2").code, 403);
}

TEST_F(NodeRulesTest, ANodeCreatesMirrorPodsOnly) {
  const std::string pods = "/api/v1/namespaces/default/pods";
  EXPECT_EQ(
      ask("POST", pods,
          R"({"metadata":{"name":"x"},"spec":{"nodeName":"n1","containers":[{"name":"c","image":"i"}]}})")
          .code,
      403);
  auto mirror = parse(R"({"metadata":{"name":"m-n1","annotations":{"kubernetes.io/config.mirror":"h"},
    "ownerReferences":[{"apiVersion":"v1","kind":"Node","name":"n1","controller":true}]},
    "spec":{"nodeName":"n1","containers":[{"name":"c","image":"i"}]}})");
  mirror["metadata"].at("ownerReferences").at(0).as_object()["uid"] = "wrong";
  EXPECT_EQ(ask("POST", pods, json::serialize(mirror)).code, 403);
  mirror["metadata"].at("ownerReferences").at(0).as_object()["uid"] =
      textAt(server.get("/api/v1/nodes/n1").body.as_object(), "metadata.uid");
  const auto made = ask("POST", pods, json::serialize(mirror));
  EXPECT_EQ(made.code, 201) << json::serialize(made.body);
}

TEST_F(NodeRulesTest, TokensAreForPodsOfTheNode) {
  const std::string path = "/api/v1/namespaces/default/serviceaccounts/default/token";
  const auto uid = [&](const std::string& pod) {
    return textAt(server.get("/api/v1/namespaces/default/pods/" + pod).body.as_object(), "metadata.uid");
  };
  const auto bound = [&](const std::string& pod) {
    return R"({"spec":{"boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":")" + pod + R"(","uid":")" +
           uid(pod) + R"("}}})";
  };
  EXPECT_EQ(ask("POST", path, bound("pod-n1")).code, 201);
  EXPECT_EQ(ask("POST", path, bound("pod-n2")).code, 403);
  EXPECT_EQ(ask("POST", path, R"({"spec":{}})").code, 403);
  auto vault = parse(bound("pod-n1"));
  objectAt(vault, "spec")["audiences"] = json::array{"vault"};
  EXPECT_EQ(ask("POST", path, json::serialize(vault)).code, 403);
}

}  // namespace
}  // namespace keelson::fakes
