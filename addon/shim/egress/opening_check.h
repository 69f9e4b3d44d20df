#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace nacelle::egress {

enum class Admission { kWait, kAdmit, kRefuse };

// Looks at what a client sends first, and leaves it in its socket: TLS has to be to the name that the connection is for, and at the port of
// HTTPS it has to be TLS. Elsewhere a server may speak first, and what is not TLS passes.
//
//   kFirst ──ClientHello──▶ kAnswer ──ServerHello──────▶ kOver     all may go on
//     └──────no TLS──────▶ kOver      └─HelloRetryRequest─▶ kSecond ──ClientHello──▶ kOver
//
// A client that is asked to sends another ClientHello (RFC 8446 section 4.1.2), and a server may take the name in that. So no more than the
// first one goes on until the server's answer has been looked at.
class OpeningCheck {
 public:
  OpeningCheck(std::string name, uint16_t port) : name_(std::move(name)), needs_tls_(port == kHttps) {}

  // Called when there is something to read. `has_ended`: nothing more is to come. kWait: the socket is readable again when there is more.
  // kAdmit: admitted() may go on, and is to before this is called again.
  Admission look(int client, bool has_ended);
  // The same for what the server sends; kAdmit: all of it. To be called once what the client's first ClientHello has gone on.
  Admission look_at_answer(int server, bool has_ended);

  static constexpr size_t kAll = SIZE_MAX;
  // How many bytes of the client's; kAll of those to come too.
  size_t admitted() const { return admitted_; }
  bool awaits_answer() const { return stage_ == Stage::kAnswer; }
  bool is_over() const { return stage_ == Stage::kOver; }
  // What TLS was for, where that was another name.
  const std::string& other_name() const { return other_name_; }

 private:
  enum class Stage { kFirst, kAnswer, kSecond, kOver };
  static constexpr uint16_t kHttps = 443;
  Admission judge(const std::string& bytes, bool has_ended);
  Admission judge_opening(const std::string& bytes, bool has_ended);
  Admission judge_answer(const std::string& bytes, bool has_ended);
  Admission admit(size_t bytes, Stage next);
  Admission end_look(int fd, Admission admission, size_t seen);

  const std::string name_;
  const bool needs_tls_;
  Stage stage_ = Stage::kFirst;
  size_t admitted_ = 0;
  std::string other_name_;
  size_t looks_ = 0;
};

}  // namespace nacelle::egress
