#include "tests/fakes/api_server/api_server.h"

#include <gtest/gtest.h>

#include "api/base64.h"
#include "tests/fakes/api_server/fields.h"
#include "tests/fakes/fake_clock.h"

namespace keelson::fakes {
namespace {

constexpr char kPods[] = "/api/v1/namespaces/default/pods";

json::object parse(const std::string& text) { return parseJson(text).value().as_object(); }
json::object podNamed(const std::string& name, const std::string& node = "") {
  auto pod = parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":""},
                       "spec":{"containers":[{"name":"c","image":"nginx"}]}})");
  pod["metadata"].as_object()["name"] = name;
  if (!node.empty()) pod["spec"].as_object()["nodeName"] = node;
  return pod;
}
std::string message(const Answer& answer) { return textAt(answer.body.as_object(), "message"); }

struct ApiServerTest : ::testing::Test {
  FakeClock clock;
  ApiServer server{clock};

  json::object object(const std::string& path) {
    const auto answer = server.get(path);
    EXPECT_EQ(answer.code, 200) << json::serialize(answer.body);
    return answer.body.as_object();
  }
  std::unique_ptr<Watch> watch(const std::string& path, const std::string& query) {
    ServerCall call;
    call.path = path;
    call.query = parseQuery("watch=1&" + query);
    auto reply = server.handle(call);
    return std::move(std::get<std::unique_ptr<Watch>>(reply));
  }
  // "ADDED web" for each frame.
  static std::vector<std::string> told(Watch& watch) {
    std::vector<std::string> all;
    std::string text = watch.take();
    for (size_t at = 0; at < text.size();) {
      const auto end = text.find('\n', at);
      const auto frame = parse(text.substr(at, end - at));
      auto name = textAt(frame, "object.metadata.name");
      if (name.empty()) name = textAt(frame, "object.reason");
      all.push_back(textAt(frame, "type") + " " + name);
      at = end + 1;
    }
    return all;
  }
};
using Told = std::vector<std::string>;

TEST_F(ApiServerTest, ANewPodIsDefaultedAdmittedAndPending) {
  ASSERT_EQ(server.create(kPods, podNamed("web")).code, 201);
  const auto pod = object(std::string(kPods) + "/web");
  EXPECT_EQ(textAt(pod, "status.phase"), "Pending");
  EXPECT_EQ(textAt(pod, "status.qosClass"), "BestEffort");
  EXPECT_EQ(textAt(pod, "spec.restartPolicy"), "Always");
  EXPECT_EQ(numberAt(pod, "spec.terminationGracePeriodSeconds"), 30);
  EXPECT_EQ(textAt(pod, "spec.serviceAccountName"), "default");
  EXPECT_EQ(numberAt(pod, "metadata.generation"), 1);
  EXPECT_EQ(textAt(pod, "metadata.creationTimestamp"), "2026-01-01T00:00:00Z");
  const auto& container = find(pod, "spec.containers")->at(0).as_object();
  EXPECT_EQ(textAt(container, "imagePullPolicy"), "Always");
  EXPECT_EQ(textAt(container.at("volumeMounts").at(0).as_object(), "mountPath"),
            "/var/run/secrets/kubernetes.io/serviceaccount");
  EXPECT_EQ(find(pod, "spec.volumes")->at(0).at("projected").at("sources").as_array().size(), 3u);
}

TEST_F(ApiServerTest, FailuresSpeakUpstreamsWords) {
  EXPECT_EQ(message(server.get(std::string(kPods) + "/no")), "pods \"no\" not found");
  EXPECT_EQ(message(server.get("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n")),
            "leases.coordination.k8s.io \"n\" not found");
  server.create(kPods, podNamed("web"));
  const auto twice = server.create(kPods, podNamed("web"));
  EXPECT_EQ(twice.code, 409);
  EXPECT_EQ(message(twice), "pods \"web\" already exists");
  const auto bad = server.create(kPods, podNamed("Not_A_Name"));
  EXPECT_EQ(bad.code, 422);
  EXPECT_NE(message(bad).find("Pod \"Not_A_Name\" is invalid: metadata.name: Invalid value"),
            std::string::npos)
      << message(bad);
  auto odd = podNamed("odd");
  odd["spec"].as_object()["containers"] = 7;
  EXPECT_EQ(server.create(kPods, odd).code, 400);
  EXPECT_EQ(server.create("/api/v1/namespaces/nope/pods", podNamed("x")).code, 404);
  EXPECT_EQ(server.get("/api/v1/zebras").code, 404);
}

TEST_F(ApiServerTest, AnOldResourceVersionConflicts) {
  server.create(kPods, podNamed("web"));
  const auto path = std::string(kPods) + "/web";
  const auto old = object(path);
  ASSERT_EQ(server.patch(path, parse(R"({"metadata":{"labels":{"a":"b"}}})")).code, 200);
  const auto answer = server.put(path, old);
  EXPECT_EQ(answer.code, 409);
  EXPECT_EQ(message(answer),
            "Operation cannot be fulfilled on pods \"web\": the object has been modified; please apply your "
            "changes "
            "to the latest version and try again");
}

TEST_F(ApiServerTest, APatchThatChangesNothingWritesNothing) {
  server.create(kPods, podNamed("web"));
  const auto path = std::string(kPods) + "/web";
  const auto version = textAt(object(path), "metadata.resourceVersion");
  ASSERT_EQ(server.patch(path, parse(R"({"spec":{"restartPolicy":"Always"}})")).code, 200);
  EXPECT_EQ(textAt(object(path), "metadata.resourceVersion"), version);
}

TEST_F(ApiServerTest, StatusAndSpecAreWrittenApart) {
  server.create(kPods, podNamed("web", "n1"));
  const auto path = std::string(kPods) + "/web";
  const auto uid = textAt(object(path), "metadata.uid");
  ASSERT_EQ(
      server
          .patch(
              path + "/status",
              parse(R"({"spec":{"nodeName":"other"},"status":{"phase":"Running","observedGeneration":1}})"))
          .code,
      200);
  EXPECT_EQ(textAt(object(path), "spec.nodeName"), "n1");
  EXPECT_EQ(textAt(object(path), "status.phase"), "Running");
  server.patch(path, parse(R"({"status":{"phase":"Failed"}})"));
  EXPECT_EQ(textAt(object(path), "status.phase"), "Running");
  // observedGeneration is kept where a writer leaves it out.
  server.patch(path + "/status", parse(R"({"status":{"observedGeneration":null}})"));
  EXPECT_EQ(numberAt(object(path), "status.observedGeneration"), 1);
  const auto stranger =
      server.patch(path + "/status", parse(R"({"metadata":{"uid":"else"},"status":{"phase":"Failed"}})"));
  EXPECT_EQ(stranger.code, 422);
  EXPECT_EQ(message(stranger),
            "Pod \"web\" is invalid: metadata.uid: Invalid value: \"else\": field is immutable");
}

TEST_F(ApiServerTest, APodsSpecIsImmutableButForImages) {
  server.create(kPods, podNamed("web"));
  const auto path = std::string(kPods) + "/web";
  EXPECT_EQ(server.patch(path, parse(R"({"spec":{"hostNetwork":true}})")).code, 422);
  ASSERT_EQ(server.patch(path, parse(R"({"spec":{"containers":[{"name":"c","image":"nginx:2"}]}})")).code,
            200);
  EXPECT_EQ(numberAt(object(path), "metadata.generation"), 2);
}

TEST_F(ApiServerTest, EndedContainersOfPodsThatDoNotRestartStayEnded) {
  auto pod = podNamed("job", "n1");
  pod["spec"].as_object()["restartPolicy"] = "Never";
  server.create(kPods, pod);
  const auto path = std::string(kPods) + "/job/status";
  const auto status = [](const char* state) {
    auto patch = parse(
        R"({"status":{"containerStatuses":[{"name":"c","image":"i","imageID":"","ready":false,"restartCount":0}]}})");
    patch["status"].at("containerStatuses").at(0).as_object()["state"] = parse(state);
    return patch;
  };
  ASSERT_EQ(server.patch(path, status(R"({"terminated":{"exitCode":0}})")).code, 200);
  const auto back = server.patch(path, status(R"({"running":{}})"));
  EXPECT_EQ(back.code, 422);
  EXPECT_NE(message(back).find("may not be transitioned to non-terminated state"), std::string::npos);
}

TEST_F(ApiServerTest, DeletionWaitsForTheNodeAndMayOnlyShorten) {
  server.create(kPods, podNamed("web", "n1"));
  const auto path = std::string(kPods) + "/web";
  ASSERT_EQ(server.remove(path).code, 200);
  auto pod = object(path);
  EXPECT_EQ(textAt(pod, "metadata.deletionTimestamp"), "2026-01-01T00:00:30Z");
  EXPECT_EQ(numberAt(pod, "metadata.deletionGracePeriodSeconds"), 30);
  EXPECT_EQ(numberAt(pod, "metadata.generation"), 2);
  server.remove(path, parse(R"({"gracePeriodSeconds":60})"));
  EXPECT_EQ(numberAt(object(path), "metadata.deletionGracePeriodSeconds"), 30);
  server.remove(path, parse(R"({"gracePeriodSeconds":5})"));
  EXPECT_EQ(textAt(object(path), "metadata.deletionTimestamp"), "2026-01-01T00:00:05Z");
  EXPECT_EQ(server.remove(path, parse(R"({"gracePeriodSeconds":0,"preconditions":{"uid":"other"}})")).code,
            409);
  ASSERT_EQ(server.remove(path, parse(R"({"gracePeriodSeconds":0})")).code, 200);
  EXPECT_EQ(server.get(path).code, 404);
}

TEST_F(ApiServerTest, UnscheduledAndEndedPodsGoAtOnceFinalizersWait) {
  server.create(kPods, podNamed("pending"));
  server.remove(std::string(kPods) + "/pending");
  EXPECT_EQ(server.get(std::string(kPods) + "/pending").code, 404);
  auto pod = podNamed("held", "n1");
  pod["metadata"].as_object()["finalizers"] = json::array{"example.com/wait"};
  server.create(kPods, pod);
  const auto path = std::string(kPods) + "/held";
  server.remove(path, parse(R"({"gracePeriodSeconds":0})"));
  EXPECT_EQ(numberAt(object(path), "metadata.deletionGracePeriodSeconds", -1), 0);
  server.patch(path, parse(R"({"metadata":{"finalizers":null}})"));
  EXPECT_EQ(server.get(path).code, 404);
}

TEST_F(ApiServerTest, TheEndOfAGracefulDeletionIsAChangeAndThenADeletion) {
  server.create(kPods, podNamed("web", "n1"));
  const auto w = watch(kPods, "resourceVersion=" + std::to_string(server.store().version()));
  const auto path = std::string(kPods) + "/web";
  server.remove(path);
  server.remove(path, parse(R"({"gracePeriodSeconds":0})"));
  EXPECT_EQ(told(*w), (Told{"MODIFIED web", "MODIFIED web", "DELETED web"}));
  // A finalizer that ends the wait does so without a change before.
  auto pod = podNamed("held", "n1");
  pod["metadata"].as_object()["finalizers"] = json::array{"example.com/wait"};
  server.create(kPods, pod);
  server.remove(std::string(kPods) + "/held", parse(R"({"gracePeriodSeconds":0})"));
  server.patch(std::string(kPods) + "/held", parse(R"({"metadata":{"finalizers":null}})"));
  EXPECT_EQ(told(*w), (Told{"ADDED held", "MODIFIED held", "DELETED held"}));
}

TEST_F(ApiServerTest, AnEvictionMarksAndDeletes) {
  server.create(kPods, podNamed("web", "n1"));
  const auto w = watch(kPods, "resourceVersion=" + std::to_string(server.store().version()));
  const auto path = std::string(kPods) + "/web";
  ASSERT_EQ(server.create(path + "/eviction", parse(R"({"deleteOptions":{"gracePeriodSeconds":9}})")).code,
            201);
  EXPECT_EQ(told(*w), (Told{"MODIFIED web", "MODIFIED web"}));
  EXPECT_EQ(textAt(find(object(path), "status.conditions")->at(0).as_object(), "reason"),
            "EvictionByEvictionAPI");
  EXPECT_EQ(server.create(std::string(kPods) + "/none/eviction", json::object()).code, 404);
}

TEST_F(ApiServerTest, ANodeIsBornWithATaintThatEndsWhenItIsReady) {
  const std::string nodes = "/api/v1/nodes";
  ASSERT_EQ(
      server
          .create(
              nodes,
              parse(R"({"metadata":{"name":"n1"},"spec":{"taints":[{"key":"a","effect":"NoSchedule"}]}})"))
          .code,
      201);
  const auto taints = [&] { return find(object(nodes + "/n1"), "spec.taints")->as_array(); };
  ASSERT_EQ(taints().size(), 2u);
  EXPECT_EQ(textAt(taints()[1].as_object(), "key"), "node.kubernetes.io/not-ready");
  const auto ready = [&](const char* status) {
    auto patch = parse(R"({"status":{"conditions":[{"type":"Ready"}]}})");
    patch["status"].at("conditions").at(0).as_object()["status"] = status;
    return server.patch(nodes + "/n1/status", patch).code;
  };
  ASSERT_EQ(ready("False"), 200);
  EXPECT_EQ(taints().size(), 2u);
  ASSERT_EQ(ready("True"), 200);
  EXPECT_EQ(taints().size(), 1u);
}

TEST_F(ApiServerTest, LeasesNameTheVersionTheyReplaceAndTimesHaveSixDigits) {
  const std::string leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
  auto lease = parse(R"({"metadata":{"name":"n1"},"spec":{"renewTime":"2026-01-01T00:00:00.000000Z"}})");
  ASSERT_EQ(server.create(leases, lease).code, 201);
  EXPECT_EQ(server.put(leases + "/n1", lease).code, 422);
  EXPECT_EQ(server.patch(leases + "/n1", parse(R"({"spec":{"renewTime":"2026-01-01T00:00:00.5Z"}})")).code,
            422);
  auto whole = object(leases + "/n1");
  objectAt(whole, "spec")["renewTime"] = "2026-01-01T00:00:00Z";
  EXPECT_EQ(server.put(leases + "/n1", whole).code, 400);
  objectAt(whole, "spec")["renewTime"] = "2026-01-01T00:00:10.000001Z";
  EXPECT_EQ(server.put(leases + "/n1", whole).code, 200);
}

TEST_F(ApiServerTest, KeysNamesAndSecretsAreValidated) {
  const std::string home = "/api/v1/namespaces/default/";
  EXPECT_EQ(server.create(home + "configmaps", parse(R"({"metadata":{"name":"A_b"}})")).code, 422);
  EXPECT_EQ(server.create(home + "configmaps", parse(R"({"metadata":{"name":"a"},"data":{"a/b":"x"}})")).code,
            422);
  EXPECT_EQ(server.create(home + "configmaps", parse(R"({"metadata":{"name":"a"},"data":{"a":1}})")).code,
            400);
  EXPECT_EQ(server
                .create(home + "secrets",
                        parse(R"({"metadata":{"name":"s"},"type":"kubernetes.io/dockerconfigjson"})"))
                .code,
            422);
}

TEST_F(ApiServerTest, StrangersMayAlmostNothing) {
  ServerCall call;
  call.path = kPods;
  call.user = {"nobody", "", {"system:authenticated"}};
  EXPECT_EQ(std::get<Answer>(server.handle(call)).code, 403);
  call.path = "/version";
  EXPECT_EQ(std::get<Answer>(server.handle(call)).code, 200);
  const auto review = server.create("/apis/authorization.k8s.io/v1/subjectaccessreviews",
                                    parse(R"({"kind":"SubjectAccessReview","spec":{"user":"nobody"}})"));
  EXPECT_FALSE(flagAt(review.body.as_object(), "status.allowed"));
}

TEST_F(ApiServerTest, BindingAssignsOnce) {
  server.create(kPods, podNamed("web"));
  const auto path = std::string(kPods) + "/web";
  const auto binding = parse(R"({"target":{"kind":"Node","name":"n1"}})");
  ASSERT_EQ(server.create(path + "/binding", binding).code, 201);
  EXPECT_EQ(textAt(object(path), "spec.nodeName"), "n1");
  EXPECT_EQ(textAt(find(object(path), "status.conditions")->at(0).as_object(), "type"), "PodScheduled");
  EXPECT_EQ(server.create(path + "/binding", binding).code, 409);
}

TEST_F(ApiServerTest, WatchesFollowFieldSelectorsInAndOut) {
  const auto from = object(kPods).at("metadata").at("resourceVersion").as_string();
  const auto w =
      watch("/api/v1/pods", "fieldSelector=spec.nodeName%3Dn1&resourceVersion=" + std::string(from));
  server.create(kPods, podNamed("web"));
  EXPECT_EQ(told(*w), Told{});
  server.create(std::string(kPods) + "/web/binding", parse(R"({"target":{"name":"n1"}})"));
  EXPECT_EQ(told(*w), Told{"ADDED web"});
  server.patch(std::string(kPods) + "/web", parse(R"({"metadata":{"labels":{"a":"b"}}})"));
  server.remove(std::string(kPods) + "/web", parse(R"({"gracePeriodSeconds":0})"));
  EXPECT_EQ(told(*w), (Told{"MODIFIED web", "MODIFIED web", "DELETED web"}));
}

TEST_F(ApiServerTest, AWatchWithoutVersionBeginsWithAllAndABookmarkComesWhenItIsIdle) {
  server.create(kPods, podNamed("web"));
  const auto w = watch(kPods, "allowWatchBookmarks=true");
  EXPECT_EQ(w->bookmark(), "");  // not before the objects
  EXPECT_EQ(told(*w), Told{"ADDED web"});
  EXPECT_NE(w->bookmark().find("\"BOOKMARK\""), std::string::npos);
}

TEST_F(ApiServerTest, ForgottenHistoryIsGone) {
  server.create(kPods, podNamed("web"));
  const auto w = watch(kPods, "resourceVersion=1");
  server.store().compact();
  EXPECT_EQ(told(*w), Told{"ERROR Expired"});
  EXPECT_TRUE(w->ended());
  const auto fresh =
      watch(kPods,
            "resourceVersion=" + std::string(object(kPods).at("metadata").at("resourceVersion").as_string()));
  server.create(kPods, podNamed("two"));
  EXPECT_EQ(told(*fresh), Told{"ADDED two"});
}

TEST_F(ApiServerTest, PagesShowOneState) {
  for (int i = 0; i < 5; ++i) server.create(kPods, podNamed("p" + std::to_string(i)));
  const auto first = object(std::string(kPods) + "?limit=2");
  EXPECT_EQ(first.at("items").as_array().size(), 2u);
  EXPECT_EQ(numberAt(first, "metadata.remainingItemCount"), 3);
  server.remove(std::string(kPods) + "/p3");
  server.create(kPods, podNamed("p9"));
  auto token = textAt(first, "metadata.continue");
  for (auto at = token.find('='); at != token.npos; at = token.find('=')) token.replace(at, 1, "%3D");
  const auto rest = object(std::string(kPods) + "?limit=500&continue=" + token);
  EXPECT_EQ(rest.at("items").as_array().size(), 3u);
  EXPECT_EQ(textAt(rest, "metadata.resourceVersion"), textAt(first, "metadata.resourceVersion"));
  server.store().compact();
  EXPECT_EQ(server.get(std::string(kPods) + "?continue=" + token).code, 410);
}

TEST_F(ApiServerTest, WatchFaultsDropDuplicateAndReorder) {
  const auto w = watch(kPods, "resourceVersion=" + std::to_string(server.store().version()));
  server.watchFaults() = {1, 1, 1};
  for (const char* name : {"a", "b", "c", "d"}) server.create(kPods, podNamed(name));
  EXPECT_EQ(told(*w), (Told{"ADDED b", "ADDED b", "ADDED d", "ADDED c"}));
}

TEST_F(ApiServerTest, BothEventGroupsAreOneStorage) {
  const auto made = server.create("/apis/events.k8s.io/v1/namespaces/default/events", parse(R"({
    "metadata":{"name":"e1"},"regarding":{"kind":"Pod","name":"web"},"reason":"Pulled","note":"done","type":"Normal",
    "eventTime":"2026-01-01T00:00:00.000000Z","reportingController":"kubelet","reportingInstance":"n1","action":"Pull"})"));
  ASSERT_EQ(made.code, 201);
  EXPECT_EQ(textAt(made.body.as_object(), "note"), "done");
  const auto core = object("/api/v1/namespaces/default/events/e1");
  EXPECT_EQ(textAt(core, "message"), "done");
  EXPECT_EQ(textAt(core, "involvedObject.name"), "web");
  EXPECT_EQ(object("/api/v1/events?fieldSelector=involvedObject.name%3Dweb").at("items").as_array().size(),
            1u);
  ASSERT_EQ(server
                .patch("/apis/events.k8s.io/v1/namespaces/default/events/e1",
                       parse(R"({"series":{"count":2,"lastObservedTime":"2026-01-01T00:00:01.000000Z"}})"))
                .code,
            200);
  EXPECT_EQ(numberAt(object("/api/v1/namespaces/default/events/e1"), "series.count"), 2);
}

TEST_F(ApiServerTest, TokensAreSignedAndBoundToTheirPod) {
  server.create(kPods, podNamed("web", "n1"));
  const auto uid = textAt(object(std::string(kPods) + "/web"), "metadata.uid");
  auto request = parse(
      R"({"spec":{"expirationSeconds":3600,"boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"web"}}})");
  objectAt(request, "spec.boundObjectRef")["uid"] = uid;
  const std::string path = "/api/v1/namespaces/default/serviceaccounts/default/token";
  const auto answer = server.create(path, request);
  ASSERT_EQ(answer.code, 201) << json::serialize(answer.body);
  const auto token = textAt(answer.body.as_object(), "status.token");
  EXPECT_EQ(textAt(answer.body.as_object(), "status.expirationTimestamp"), "2026-01-01T01:00:00Z");
  ASSERT_TRUE(server.authenticate(token).has_value());
  EXPECT_EQ(server.authenticate(token)->name, "system:serviceaccount:default:default");
  EXPECT_FALSE(server.authenticate(token.substr(0, token.size() - 4) + "AAAA").has_value());
  objectAt(request, "spec.boundObjectRef")["uid"] = "other";
  EXPECT_EQ(server.create(path, request).code, 409);
  EXPECT_EQ(server.create(path, parse(R"({"spec":{"expirationSeconds":60}})")).code, 422);
  server.remove(std::string(kPods) + "/web", parse(R"({"gracePeriodSeconds":0})"));
  EXPECT_FALSE(server.authenticate(token).has_value());
}

TEST_F(ApiServerTest, ANamespaceTakesItsContentAlong) {
  server.create("/api/v1/namespaces", parse(R"({"metadata":{"name":"team"}})"));
  EXPECT_EQ(server.get("/api/v1/namespaces/team/serviceaccounts/default").code, 200);
  EXPECT_EQ(server.get("/api/v1/namespaces/team/configmaps/kube-root-ca.crt").code, 200);
  server.create("/api/v1/namespaces/team/pods", podNamed("web", "n1"));
  server.remove("/api/v1/namespaces/team");
  EXPECT_EQ(server.create("/api/v1/namespaces/team/pods", podNamed("late")).code, 403);
  EXPECT_EQ(numberAt(object("/api/v1/namespaces/team/pods/web"), "metadata.deletionGracePeriodSeconds"), 30);
  server.remove("/api/v1/namespaces/team/pods/web", parse(R"({"gracePeriodSeconds":0})"));
  EXPECT_EQ(server.get("/api/v1/namespaces/team").code, 404);
}

TEST_F(ApiServerTest, SelectorsChooseByLabelsAndRefuseUnknownFields) {
  for (const auto& [name, label] : {std::pair{"a", "x"}, {"b", "y"}}) {
    auto pod = podNamed(name);
    objectAt(pod, "metadata.labels")["app"] = label;
    server.create(kPods, pod);
  }
  const auto count = [&](const std::string& selector) {
    return object(std::string(kPods) + "?labelSelector=" + selector).at("items").as_array().size();
  };
  EXPECT_EQ(count("app%3Dx"), 1u);
  EXPECT_EQ(count("app!%3Dx"), 1u);
  EXPECT_EQ(count("app+in+(x,y)"), 2u);
  EXPECT_EQ(count("app,!none"), 2u);
  EXPECT_EQ(count("app+notin+(x,y)"), 0u);
  EXPECT_EQ(server.get(std::string(kPods) + "?labelSelector=%3Dx").code, 400);
  const auto bad = server.get(std::string(kPods) + "?fieldSelector=spec.color%3Dred");
  EXPECT_EQ(bad.code, 400);
  EXPECT_NE(message(bad).find("field label not supported: spec.color"), std::string::npos);
}

}  // namespace
}  // namespace keelson::fakes
