#include "tests/fakes/api_server/patch.h"

#include <gtest/gtest.h>

namespace keelson::fakes {
namespace {

json::object parse(const std::string& text) { return parseJson(text).value().as_object(); }

struct StrategicCase {
  const char *what, *kind, *before, *patch, *after;
};

class StrategicPatch : public ::testing::TestWithParam<StrategicCase> {};

TEST_P(StrategicPatch, MergesAsUpstream) {
  const auto& c = GetParam();
  const auto result = strategicMergePatch(parse(c.before), parse(c.patch), c.kind);
  ASSERT_TRUE(result.ok()) << json::serialize(result.error().body);
  EXPECT_EQ(json::serialize(Outcome(result).value()), json::serialize(parse(c.after))) << c.what;
}

INSTANTIATE_TEST_SUITE_P(
    All, StrategicPatch,
    ::testing::Values(
        StrategicCase{
            "conditions merge by type, those of the patch before what the server has after them", "Node",
            R"({"status":{"conditions":[{"type":"Ready","status":"False","reason":"a"},{"type":"Disk","status":"False"}]}})",
            R"({"status":{"conditions":[{"type":"Ready","status":"True"},{"type":"New","status":"True"}]}})",
            R"({"status":{"conditions":[{"type":"Ready","status":"True","reason":"a"},{"type":"New","status":"True"},{"type":"Disk","status":"False"}]}})"},
        StrategicCase{"plain values merge as a set, the patch's first", "Pod",
                      R"({"metadata":{"finalizers":["b"]}})", R"({"metadata":{"finalizers":["c"]}})",
                      R"({"metadata":{"finalizers":["c","b"]}})"},
        StrategicCase{
            "setElementOrder sorts what it names", "Pod",
            R"({"status":{"conditions":[{"type":"A"},{"type":"B"},{"type":"C"}]}})",
            R"({"status":{"$setElementOrder/conditions":[{"type":"C"},{"type":"A"},{"type":"B"}],"conditions":[{"type":"A","status":"True"}]}})",
            R"({"status":{"conditions":[{"type":"C"},{"type":"A","status":"True"},{"type":"B"}]}})"},
        StrategicCase{"container statuses are replaced as a whole", "Pod",
                      R"({"status":{"containerStatuses":[{"name":"a","ready":true},{"name":"b"}]}})",
                      R"({"status":{"containerStatuses":[{"name":"a"}]}})",
                      R"({"status":{"containerStatuses":[{"name":"a"}]}})"},
        StrategicCase{
            "addresses merge by type, taints do not", "Node",
            R"({"spec":{"taints":[{"key":"a"}]},"status":{"addresses":[{"type":"InternalIP","address":"1"},{"type":"Hostname","address":"h"}]}})",
            R"({"spec":{"taints":[{"key":"b"}]},"status":{"addresses":[{"$patch":"delete","type":"Hostname"},{"type":"InternalIP","address":"2"}]}})",
            R"({"spec":{"taints":[{"key":"b"}]},"status":{"addresses":[{"type":"InternalIP","address":"2"}]}})"},
        StrategicCase{"$patch replace among the items", "Node",
                      R"({"status":{"addresses":[{"type":"InternalIP","address":"1"}]}})",
                      R"({"status":{"addresses":[{"type":"Hostname","address":"h"},{"$patch":"replace"}]}})",
                      R"({"status":{"addresses":[{"type":"Hostname","address":"h"}]}})"},
        StrategicCase{"null deletes a key, maps merge", "Pod", R"({"metadata":{"labels":{"a":"1","b":"2"}}})",
                      R"({"metadata":{"labels":{"a":null,"c":"3"}}})",
                      R"({"metadata":{"labels":{"b":"2","c":"3"}}})"},
        StrategicCase{"finalizers are a set", "Pod", R"({"metadata":{"finalizers":["a","b"]}})",
                      R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a"],"finalizers":["b","c"]}})",
                      R"({"metadata":{"finalizers":["b","c"]}})"},
        StrategicCase{"only a deletion from a primitive list", "Pod",
                      R"({"metadata":{"finalizers":["a","b"]}})",
                      R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a"]}})",
                      R"({"metadata":{"finalizers":["b"]}})"},
        StrategicCase{
            "retainKeys drops the other volume source", "Pod",
            R"({"spec":{"volumes":[{"name":"v","emptyDir":{}}]}})",
            R"({"spec":{"volumes":[{"$retainKeys":["name","hostPath"],"name":"v","hostPath":{"path":"/"}}]}})",
            R"({"spec":{"volumes":[{"name":"v","hostPath":{"path":"/"}}]}})"},
        StrategicCase{"a map that replaces", "Pod", R"({"spec":{"nodeSelector":{"a":"1"}}})",
                      R"({"spec":{"nodeSelector":{"$patch":"replace","b":"2"}}})",
                      R"({"spec":{"nodeSelector":{"b":"2"}}})"},
        StrategicCase{
            "new lists lose their directives", "Pod", R"({"status":{}})",
            R"({"status":{"$setElementOrder/podIPs":[{"ip":"1"}],"podIPs":[{"ip":"1","x":null}],"hostIPs":[{"$patch":"delete","ip":"2"}]}})",
            R"({"status":{"podIPs":[{"ip":"1"}],"hostIPs":[]}})"}));

TEST(StrategicPatch, AnItemWithoutItsMergeKeyIsAnError) {
  const auto result = strategicMergePatch(parse(R"({"status":{}})"),
                                          parse(R"({"status":{"conditions":[{"status":"True"}]}})"), "Pod");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, 500);
}

TEST(MergePatch, IsThatOfRfc7386) {
  EXPECT_EQ(mergePatch(parse(R"({"a":"b","c":{"d":"e","f":"g"},"l":[1,2]})"),
                       parse(R"({"a":"z","c":{"f":null},"l":[3]})")),
            json::value(parse(R"({"a":"z","c":{"d":"e"},"l":[3]})")));
  EXPECT_EQ(mergePatch(parse(R"({"a":"b"})"), json::value(json::array{"c"})), json::value(json::array{"c"}));
}

TEST(StrategicPatch, RefusesTextWhereAListMerges) {
  const auto result = strategicMergePatch({}, parse(R"({"status":{"conditions":"x"}})"), "Pod");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, 422);
  EXPECT_EQ(std::string(result.error().body.at("message").as_string()),
            " \"\" is invalid: patch: Invalid value: \"map[status:map[conditions:x]]\": cannot restore slice "
            "from string");
}

TEST(JsonPatch, AppliesEveryOperationOrNone) {
  const auto run = [](const char* patch) {
    return jsonPatch(parse(R"({"a":{"b":[1,2]},"k~/":1})"), parseJson(patch).value());
  };
  auto good = run(R"([{"op":"test","path":"/a/b/0","value":1},{"op":"add","path":"/a/b/-","value":3},
                     {"op":"add","path":"/a/b/0","value":0},{"op":"remove","path":"/k~0~1"},
                     {"op":"copy","from":"/a/b/1","path":"/c"},{"op":"move","from":"/c","path":"/d"},
                     {"op":"replace","path":"/d","value":9}])");
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(good.value(), json::value(parse(R"({"a":{"b":[0,1,2,3]},"d":9})")));
  EXPECT_EQ(run(R"([{"op":"test","path":"/a/b/0","value":7}])").error().code, 422);
  EXPECT_EQ(run(R"([{"op":"remove","path":"/nope"}])").error().code, 422);
  EXPECT_EQ(run(R"([{"op":"fly","path":"/a"}])").error().code, 422);
  EXPECT_EQ(run(R"([{"op":"replace","path":"/a/b/7","value":1}])").error().code, 422);
}

}  // namespace
}  // namespace keelson::fakes
