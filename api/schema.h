// One description of each kind's fields, used for both directions.
#pragma once

namespace keelson::api {

// Specialised for each struct that stands in JSON:
//
//   template <>
//   struct Schema<Sysctl> {
//     template <class V, class C>  // V: ObjectDecoder or ObjectEncoder; C: Sysctl or const Sysctl
//     static void fields(V& v, C& c) {
//       v("name", c.name, kAlways);
//       v("value", c.value, kAlways);
//     }
//   };
//
// What a visitor offers (decoder.h and encoder.h are the two):
//   v(name, member)            a value, list, map or struct with a Schema
//   v.base64(name, map)        a map whose values are base64 in JSON and raw bytes in C++
//   v.overlay(name, map)       decoded over `map`, never encoded (stringData)
//   v.alias(name, text)        a second name; decoded if `text` is empty, encoded alike
//   v.first(name, list)        the first element alone (podIP beside podIPs); stands before the list
//   v.wrapped(name, x, inner)  {inner: text}: for a string, an optional one, or a list of them
//   v.object(name, lambda)     an object without a struct of its own; not encoded if it has nothing
//   v.ignored({names})         known to Kubernetes, acted on by nobody here: accepted, not encoded
//   v.oneOf({names}, text)     remembers which of `names` is there
template <class T>
struct Schema;

// Go's `omitempty`: kOmitEmpty leaves out "", 0, false, empty lists and maps, absent optionals; structs
// are always written. kAlways writes them all (an absent time as null).
enum class Emit { kOmitEmpty, kAlways };
inline constexpr Emit kAlways = Emit::kAlways;

// apiVersion and kind of a whole object; specialised beside its Schema.
template <class T>
struct KindOf;

}  // namespace keelson::api
