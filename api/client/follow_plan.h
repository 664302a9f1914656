// How a collection is followed: what to ask next. Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "api/client/informer.h"
#include "api/client/object_table.h"

namespace keelson::api::client {

// The phases of FollowPlan.
namespace follow {
enum class From { kAny, kNotOlder, kConsistent };
struct Listing {
  From from = From::kAny;
  std::string token;
  bool paged = true;
  size_t pages = 0;
};
struct Watching {
  SteadyTime since;
  size_t frames = 0;
  bool probe = false;
  bool after_list = false;
};
struct Waiting {
  std::optional<Listing> list;  // else: watch
};
}  // namespace follow

// The state machine of list, watch, resume, list anew and poll, in the words of client-go's reflector:
//
//   list resourceVersion=0 --> watch from the list's version --> (ends) --> watch from the last version seen
//                                |  410, 400: what we know is no use          ^ at once, or after a back-off
//                                v
//                              list resourceVersion="" in pages
//
// When three watches in a row ended without one frame, each next one is preceded by a list; when two of these
// fail although their lists worked, lists go on alone (poll). Now and then a watch from "any" version, whose
// first frames are the present objects, shows whether frames get through again.
// A plain value: told what happened, it says the next step. `now` is steady time.
class FollowPlan {
 public:
  struct List {
    ApiRequest request;
    ListKind kind = ListKind::kCached;
    enum class Page { kFirst, kNext } page = Page::kFirst;
  };
  struct Watch {
    ApiRequest request;
    Duration idle{0};
  };
  struct Wait {
    Duration delay{0};
  };
  using Step = std::variant<List, Watch, Wait>;
  using Random = std::function<double()>;  // [0, 1)

  FollowPlan(Collection collection, FollowSettings settings, Random random);

  Step start();
  Step listed(const std::string& version, const std::string& continue_token, SteadyTime now);
  Step listFailed(const Error& error, SteadyTime now);
  // Frames came on the watch; a step if it is to be left.
  std::optional<Step> framesCame(size_t frames, const std::string& version, SteadyTime now);
  Step watchEnded(const Result<void>& result, SteadyTime now);
  Step woken(SteadyTime now);

  const std::string& version() const { return version_; }
  bool polling() const { return poll_.active; }

 private:
  using From = follow::From;
  using Listing = follow::Listing;
  using Watching = follow::Watching;
  using Waiting = follow::Waiting;

  Step list(Listing next);
  Step watch(SteadyTime now, Watching how);
  Step waitFor(Duration delay, Waiting then);
  Step retry(SteadyTime now, Waiting then);
  Step pollLater(SteadyTime now);
  Step afterSilence(const Watching& ended, bool at_once, SteadyTime now);
  ApiRequest request() const;

  const Collection collection_;
  const FollowSettings settings_;
  const Random random_;
  std::variant<Listing, Watching, Waiting> phase_;
  std::string version_;
  Backoff backoff_;
  int silent_ = 0;  // watches in a row without a frame
  int proofs_ = 0;  // of these, ones just after a list that worked
  struct {
    bool active = false;
    SteadyTime probe_at{};
  } poll_;
};

}  // namespace keelson::api::client
