#pragma once

#include <functional>
#include <memory>
#include <string>

#include "../kernel/loop.h"
#include "../kernel/unique_fd.h"
#include "answers.h"

namespace nacelle::names {

// A client's connection (RFC 7766): queries one after the other, each behind its size, and answers in the order in which they come. What a
// client does not read is kept up to a bound, and as long nothing more is read from it.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // The answers are those of the service that has accepted it, and outlive it. `ended` is called once.
  Connection(Loop& loop, Answers& answers, unique_fd fd, std::function<void()> ended);
  void start();
  void close();

 private:
  void ready(uint32_t events);
  int read_some();
  int go_on();
  bool take_queries();
  void take_answer(const std::string& answer);
  void put(const std::string& answer);
  void check_idle();
  bool has_room() const;

  Loop& loop_;
  Answers& answers_;
  unique_fd fd_;
  std::function<void()> ended_;
  Watch watch_;
  Timer idle_;
  uint32_t events_ = 0;     // that are watched for
  uint64_t active_at_ = 0;  // when a query came, or an answer went
  std::string in_, out_;
  size_t waiting_ = 0;    // queries whose answers are yet to come
  bool is_read_ = false;  // to its end
};

}  // namespace nacelle::names
