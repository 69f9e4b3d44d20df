#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace nacelle::egress {

enum class Admission { kWait, kAdmit, kRefuse };

// Looks at what a client sends first, and leaves it in its socket: TLS has to be to the name that the connection is for, and at the port of
// HTTPS it has to be TLS. Elsewhere a server may speak first, and what is not TLS passes.
class OpeningCheck {
 public:
  OpeningCheck(std::string name, uint16_t port) : name_(std::move(name)), needs_tls_(port == kHttps) {}
  // Called when there is something to read. `has_ended`: nothing more is to come. kWait: the socket is readable again when there is more.
  Admission look(int client, bool has_ended);
  // What TLS was for, where that was another name.
  const std::string& other_name() const { return other_name_; }

 private:
  static constexpr uint16_t kHttps = 443;
  Admission judge(const std::string& bytes, bool has_ended);

  const std::string name_;
  const bool needs_tls_;
  std::string other_name_;
  size_t looks_ = 0;
};

}  // namespace nacelle::egress
