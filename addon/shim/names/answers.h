#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "answer.h"

namespace nacelle::names {

// What those hear that ask at one pair of sockets (service.h).
class Answers {
 public:
  Answers() = default;
  Answers(const Answers&) = delete;
  Answers& operator=(const Answers&) = delete;
  virtual ~Answers() = default;

  // Called after a query has come, before it is answered.
  virtual void refresh() {}
  // Called in place of refresh() where the loop has most likely heard of all that had changed before the query came: a name that is not
  // there is then looked for again.
  virtual void presume_fresh() {}
  // kAnswer: `out` has the answer. kForward: forward() is to be called.
  virtual Outcome ask(std::string_view message, bool is_tcp, Query& query, std::string& out) = 0;
  using Later = std::function<void(const std::string& answer)>;
  // `later` gets an answer in any case, never before this call returns.
  virtual void forward(std::string_view message, const Query& query, bool is_tcp, const Later& later) = 0;
  // The queries that are on their way come back without an answer.
  virtual void forget() {}
};

}  // namespace nacelle::names
