#include "copy_out.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "../kernel/file_io.h"
#include "resolve.h"

namespace nacelle {
namespace {

constexpr int kMaxDepth = 256;
constexpr int kReading = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

// The result when nothing more fits the limit. Other results are 0 and the pipe's -errno.
constexpr int kFull = 1;

// Bytes of the limit that each file or folder uses up whatever its size, since names alone cost memory and time too.
constexpr uint64_t kEntry = 1024;

constexpr char kDone = 0, kFile = 1, kNotCopied = 2;

template <typename Number>
void add(std::string& record, Number value) {
  record.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void add(std::string& record, const std::string& text) {
  add(record, static_cast<uint32_t>(text.size()));
  record += text;
}

// Says in words what a thing is that is neither a file nor a folder; nullptr for these two.
const char* other_kind(mode_t mode) {
  if (S_ISLNK(mode)) return "it is a symbolic link, and none is followed";
  if (S_ISFIFO(mode)) return "it is a FIFO";
  if (S_ISSOCK(mode)) return "it is a socket";
  return S_ISREG(mode) || S_ISDIR(mode) ? nullptr : "it is a device";
}

std::string not_copied(const std::string& path, int error, const std::string& words) {
  std::string record(1, kNotCopied);
  add(record, path);
  add(record, static_cast<int32_t>(error));
  add(record, words);
  return record;
}

class Output {
 public:
  Output(int to, uint64_t max) : to_(to), left_(max) {}

  // 0, or kFull.
  int count_entry() {
    if (left_ < kEntry) return kFull;
    left_ -= kEntry;
    return 0;
  }

  int refuse(const std::string& path, int error, const std::string& words = "") {
    const std::string record = not_copied(path, error, words);
    if (record.size() > left_) return kFull;
    left_ -= record.size();
    return write_all(to_, record.data(), record.size());
  }

  int file(int fd, uint64_t size, const std::string& path) {
    std::string head(1, kFile);
    add(head, path);
    add(head, size);
    const uint64_t around = head.size() + sizeof(int32_t);
    if (around > left_) return kFull;
    if (size > left_ - around) return refuse(path, EFBIG, std::to_string(size));
    left_ -= around + size;
    int result = write_all(to_, head.data(), head.size());
    int32_t error = 0;
    if (result == 0) result = content(fd, size, error);
    return result < 0 ? result : write_all(to_, &error, sizeof error);
  }

  // Writes the end of a path. With `full` there is more below it than fits.
  int done(const std::string& path, bool full) {
    std::string record = full ? not_copied(path, EFBIG, "") : "";
    record.push_back(kDone);
    return write_all(to_, record.data(), record.size());
  }

 private:
  // Writes as many bytes as were promised, also when the file shrinks meanwhile.
  int content(int fd, uint64_t size, int32_t& error) {
    static char buffer[64 * 1024];
    while (size > 0) {
      const auto most = static_cast<size_t>(std::min<uint64_t>(size, sizeof buffer));
      ssize_t count = error == 0 ? read(fd, buffer, most) : 0;
      if (count <= 0) {
        if (error == 0) error = count < 0 ? errno : EIO;
        std::memset(buffer, 0, most);
        count = static_cast<ssize_t>(most);
      }
      const int result = write_all(to_, buffer, static_cast<size_t>(count));
      if (result < 0) return result;
      size -= static_cast<uint64_t>(count);
    }
    return 0;
  }

  const int to_;
  uint64_t left_;
};

int send_tree(Output& output, unique_fd fd, std::string& path, int depth);

int send_entry(Output& output, int folder, const char* name, std::string& path, int depth) {
  if (const int full = output.count_entry()) return full;
  struct stat status {};
  // this comes before it is opened, since to open a device may have an effect
  if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) < 0) return output.refuse(path, errno);
  if (const char* kind = other_kind(status.st_mode)) return output.refuse(path, 0, kind);
  unique_fd fd(openat(folder, name, kReading));
  return fd ? send_tree(output, std::move(fd), path, depth) : output.refuse(path, errno);
}

// Sends a file or a folder that is open. `path` is restored before this returns.
int send_tree(Output& output, unique_fd fd, std::string& path, int depth) {
  struct stat status {};
  if (fstat(fd.get(), &status) < 0) return output.refuse(path, errno);
  // checked again: processes outside may change a folder that they share with the container
  if (const char* kind = other_kind(status.st_mode)) return output.refuse(path, 0, kind);
  if (S_ISREG(status.st_mode)) return output.file(fd.get(), static_cast<uint64_t>(status.st_size), path);
  if (depth == kMaxDepth) return output.refuse(path, 0, "it lies too deep: " + std::to_string(kMaxDepth) + " folders");
  Folder folder(std::move(fd));
  if (!folder.opened()) return output.refuse(path, errno);
  const size_t length = path.size();
  int result = 0;
  while (const char* name = result == 0 ? folder.next() : nullptr) {
    path.append("/").append(name);
    result = send_entry(output, folder.fd(), name, path, depth + 1);
    path.resize(length);
  }
  return result;
}

int send_path(Output& output, int root, const char* path) {
  std::string at = path;
  unique_fd fd;
  int found = open_without_links(root, path, O_PATH, fd);
  if (found == -ENOENT || found == -ENOTDIR) return 0;
  if (found == -ELOOP) return output.refuse(at, 0, find_link(root, path) + " is a symbolic link, and none is followed");
  if (found < 0) return output.refuse(at, -found);
  struct stat status {};
  if (fstat(fd.get(), &status) < 0) return output.refuse(at, errno);
  if (const char* kind = other_kind(status.st_mode)) return output.refuse(at, 0, kind);
  found = open_without_links(root, path, kReading, fd);
  return found < 0 ? output.refuse(at, -found) : send_tree(output, std::move(fd), at, 0);
}

}  // namespace

int copy_out_of(int root, const List<Str>& paths, int to, uint64_t max) {
  Output output(to, max);
  for (const Str& path : paths) {
    int result = send_path(output, root, path.text);
    if (result >= 0) result = output.done(path.text, result == kFull);
    if (result < 0) return result;
  }
  return 0;
}

}  // namespace nacelle
