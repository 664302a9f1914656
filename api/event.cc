#include "api/event.h"

#include "api/codec_impl.h"
#include "api/meta_schema.h"
#include "api/object_reference_schema.h"

namespace keelson::api {

template <>
struct Schema<EventSeries> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("count", c.count, kAlways);
    v("lastObservedTime", c.last_observed_time, kAlways);
  }
};

template <>
struct KindOf<Event> {
  static constexpr std::string_view kApiVersion = "events.k8s.io/v1";
  static constexpr std::string_view kKind = "Event";
};

template <>
struct Schema<Event> {
  template <class V, class C>
  static void fields(V& v, C& c) {
    v("metadata", c.metadata);
    v("eventTime", c.event_time, kAlways);
    v("series", c.series);
    v("reportingController", c.reporting_controller);
    v("reportingInstance", c.reporting_instance);
    v("action", c.action);
    v("reason", c.reason);
    v("regarding", c.regarding);
    v("note", c.note);
    v("type", c.type);
    v.ignored({"related", "deprecatedSource", "deprecatedFirstTimestamp", "deprecatedLastTimestamp",
               "deprecatedCount"});
  }
};

std::string formatMicroTime(WallTime time) {
  std::string text = formatTimeNano(time);
  text.erase(text.size() - 4, 3);  // "...123456789Z" keeps six digits
  return text;
}

KEELSON_API_INSTANTIATE(Event);

}  // namespace keelson::api
