// The probes that go over the network: http, tcp, grpc. From the node's own network namespace, as the kubelet
// does.
#pragma once

#include "base/clock.h"
#include "base/executor.h"
#include "probes/outcome.h"
#include "probes/target.h"

namespace keelson::probes {

// What an attempt needs of the world. Home: loop.
struct Effects {
  Loop& loop;
  Clock& clock;
};

// In the text of an https attempt that was answered in clear, as Go has it.
inline constexpr char kPlainAnswer[] = "http: server gave HTTP response to HTTPS client";

// One GET. 200 to 399 is a success; redirects to the same host are followed (at most 10), another host ends
// it with a warning. TLS is not verified, no proxy is used, the connection is closed. At most kMaxOutput of
// the body is read.
AttemptPtr startHttp(const Effects& effects, HttpTarget target, Duration timeout, Done done);

// Success if the port accepts; closed at once.
AttemptPtr startTcp(const Effects& effects, const TcpTarget& target, Duration timeout, Done done);

// grpc.health.v1.Health/Check over plain HTTP/2. Success if it answers SERVING.
// https://github.com/grpc/grpc/blob/master/doc/health-checking.md
AttemptPtr startGrpc(const Effects& effects, const GrpcTarget& target, Duration timeout, Done done);

}  // namespace keelson::probes
