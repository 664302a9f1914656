#include <cerrno>
#include <cstring>

#include "base/result.h"

namespace keelson {
namespace {

Code codeOfErrno(int err) {
  switch (err) {
    case ENOENT:
    case ESRCH:
    case ENODEV:
    case ENXIO:
      return Code::kNotFound;
    case EEXIST:
    case EADDRINUSE:
      return Code::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::kPermissionDenied;
    case EINVAL:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case EXDEV:
      return Code::kInvalidArgument;
    case ENOMEM:
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case EAGAIN:
      return Code::kResourceExhausted;
    case ETIMEDOUT:
      return Code::kDeadlineExceeded;
    case ECANCELED:
      return Code::kCancelled;
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENOTCONN:
      return Code::kUnavailable;
    case ENOSYS:
    case EOPNOTSUPP:
      return Code::kUnsupported;
    case EBUSY:
    case ENOTEMPTY:
      return Code::kFailedPrecondition;
    case EBADMSG:
    case EUCLEAN:
    case EILSEQ:
      return Code::kDataLoss;
    default:
      return Code::kInternal;
  }
}

}  // namespace

const char* codeName(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return "InvalidArgument";
    case Code::kNotFound:
      return "NotFound";
    case Code::kAlreadyExists:
      return "AlreadyExists";
    case Code::kPermissionDenied:
      return "PermissionDenied";
    case Code::kResourceExhausted:
      return "ResourceExhausted";
    case Code::kDeadlineExceeded:
      return "DeadlineExceeded";
    case Code::kCancelled:
      return "Cancelled";
    case Code::kUnavailable:
      return "Unavailable";
    case Code::kUnsupported:
      return "Unsupported";
    case Code::kFailedPrecondition:
      return "FailedPrecondition";
    case Code::kDataLoss:
      return "DataLoss";
    case Code::kInternal:
      return "Internal";
  }
  return "Unknown";
}

Error Error::withContext(std::string_view context) && {
  text.insert(0, ": ");
  text.insert(0, context);
  return std::move(*this);
}

Error errnoError(int err, std::string_view what) {
  const char* name = strerrorname_np(err);
  const char* description = strerrordesc_np(err);
  std::string text(what);
  text += ": ";
  text += name != nullptr ? name : "errno " + std::to_string(err);
  if (description != nullptr) {
    text += " (";
    text += description;
    text += ")";
  }
  return Error{codeOfErrno(err), err, std::move(text)};
}

Result<void> ErrorList::result() const {
  if (errors_.empty()) return {};
  Error joined = errors_.front();
  for (size_t i = 1; i < errors_.size(); ++i) joined.text += "; " + errors_[i].text;
  return joined;
}

}  // namespace keelson
