// What an answer of the API server means as an Error. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace keelson::api::client {

// The error of an answer whose HTTP status is not 2xx: codes as ApiClient says, text "409 Conflict: <message
// of the Status object>", or the start of `body` if it is none. The caller adds method and path.
Error answerError(int http_status, std::string_view body);

// The error in a Status object of kind Failure (an ERROR event of a watch): "410 Expired: too old ...".
Error statusError(const json::value& status);

// "Not Found" of 404; "" if unknown.
std::string_view statusPhrase(int http_status);

}  // namespace keelson::api::client
