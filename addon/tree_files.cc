#include "tree_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "attributes.h"
#include "shim/kernel/syscalls.h"
#include "shim/kernel/unique_fd.h"

namespace nacelle {
namespace {

constexpr size_t kNumbers = 9;
constexpr uint64_t kBelow = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

int open_below(int root, const char* path, int flags, unique_fd& out) {
  const int fd = sys_openat2(root, *path == '\0' ? "." : path, static_cast<uint64_t>(flags | O_NOFOLLOW | O_CLOEXEC), 0, kBelow);
  if (fd < 0) return fd;
  out.reset(fd);
  return 0;
}

int read_names(DIR* folder, std::vector<std::string>& names) {
  for (;;) {
    errno = 0;
    const struct dirent* entry = readdir(folder);
    if (entry == nullptr) break;
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) names.emplace_back(entry->d_name);
  }
  const int result = -errno;
  std::sort(names.begin(), names.end());  // std::string compares as unsigned bytes
  return result;
}

double kind_of(mode_t mode) {
  if (S_ISREG(mode)) return 0;
  if (S_ISDIR(mode)) return 1;
  return S_ISLNK(mode) ? 2 : 3;
}

void describe(const struct stat& status, std::vector<double>& numbers) {
  const bool has_names = S_ISREG(status.st_mode) && status.st_nlink > 1;
  const uint64_t inode = has_names ? status.st_ino : 0;
  numbers.insert(numbers.end(), {kind_of(status.st_mode), static_cast<double>(status.st_mode & 07777), static_cast<double>(status.st_uid),
                                 static_cast<double>(status.st_gid), static_cast<double>(status.st_mtim.tv_sec),
                                 static_cast<double>(status.st_size), has_names ? static_cast<double>(status.st_dev) : 0,
                                 static_cast<double>(inode >> 32), static_cast<double>(inode & 0xffffffff)});
}

class Listing : public Napi::AsyncWorker {
 public:
  Listing(Napi::Env env, int root, std::string path, size_t most)
      : Napi::AsyncWorker(env, "listFolder"),
        deferred_(Napi::Promise::Deferred::New(env)),
        root_(root),
        path_(std::move(path)),
        most_(most) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override { result_ = list(); }

  void OnOK() override {
    const Napi::HandleScope scope(Env());
    if (result_ < 0) {
      deferred_.Resolve(Napi::Number::New(Env(), result_));
      return;
    }
    const Napi::Array reply = Napi::Array::New(Env(), 3);
    reply.Set(0U, Napi::Buffer<char>::Copy(Env(), text_.data(), text_.size()));
    Napi::Float64Array statuses = Napi::Float64Array::New(Env(), numbers_.size());
    std::copy(numbers_.begin(), numbers_.end(), statuses.Data());
    reply.Set(1U, statuses);
    if (attributes_result_ < 0) {
      reply.Set(2U, Napi::Number::New(Env(), attributes_result_));
    } else {
      reply.Set(2U, attribute_list(Env(), attributes_));
    }
    deferred_.Resolve(reply);
  }

 private:
  int list() {
    unique_fd folder;
    if (const int result = open_below(root_, path_.c_str(), O_RDONLY | O_DIRECTORY, folder); result < 0) return result;
    const std::unique_ptr<DIR, int (*)(DIR*)> open(fdopendir(folder.get()), closedir);
    if (!open) return -errno;
    const int fd = folder.release();  // it is closed with the stream of its names
    std::vector<std::string> names;
    if (const int result = read_names(open.get(), names); result < 0) return result;
    for (const std::string& name : names) {
      struct stat status {};
      const int found = fstatat(fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
      if (found < 0 && found != -ENOENT) return found;
      describe(status, numbers_);
      if (found < 0) numbers_[numbers_.size() - kNumbers] = -1;
      text_.append(name).push_back('\0');
    }
    if (most_ > 0) attributes_result_ = read_attributes("/proc/self/fd/" + std::to_string(fd), names, most_, attributes_);
    return 0;
  }

  Napi::Promise::Deferred deferred_;
  int root_;
  std::string path_;
  size_t most_;
  std::string text_;
  std::vector<double> numbers_;
  std::vector<Attribute> attributes_;
  int attributes_result_ = 0, result_ = 0;
};

// 0: the file was read. kChanged: it is none any more, or has another size.
constexpr int kChanged = 1;

int read_whole_file(int root, const char* path, char* to, size_t size) {
  unique_fd file;
  // a FIFO that has taken the file's place is not waited for
  if (const int result = open_below(root, path, O_RDONLY | O_NONBLOCK, file); result < 0) return result;
  struct stat status {};
  if (fstat(file.get(), &status) < 0) return -errno;
  if (!S_ISREG(status.st_mode)) return kChanged;
  for (size_t done = 0;;) {
    char more;  // a byte more than is expected tells that the file has grown
    const struct iovec parts[] = {{to + done, size - done}, {&more, 1}};
    const ssize_t count = readv(file.get(), parts, 2);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -errno;
    done += static_cast<size_t>(count);
    if (done > size || (count == 0 && done < size)) return kChanged;
    // a short read of a file ends at its end
    if (done == size) return 0;
  }
}

class Contents : public Napi::AsyncWorker {
 public:
  Contents(Napi::Env env, int root, std::string paths, std::vector<size_t> sizes, Napi::Uint8Array into)
      : Napi::AsyncWorker(env, "readContents"),
        deferred_(Napi::Promise::Deferred::New(env)),
        root_(root),
        paths_(std::move(paths)),
        sizes_(std::move(sizes)),
        to_(reinterpret_cast<char*>(into.Data())),
        into_(Napi::Persistent(into)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    const char* path = paths_.c_str();
    char* to = to_;
    for (; place_ < sizes_.size(); ++place_) {
      result_ = read_whole_file(root_, path, to, sizes_[place_]);
      if (result_ != 0) return;
      to += sizes_[place_];
      path += std::char_traits<char>::length(path) + 1;
    }
  }

  void OnOK() override {
    const Napi::HandleScope scope(Env());
    if (result_ == 0) {
      deferred_.Resolve(Env().Null());
      return;
    }
    const Napi::Array failure = Napi::Array::New(Env(), 2);
    failure.Set(0U, Napi::Number::New(Env(), static_cast<double>(place_)));
    failure.Set(1U, Napi::Number::New(Env(), result_ == kChanged ? 0 : result_));
    deferred_.Resolve(failure);
  }

 private:
  Napi::Promise::Deferred deferred_;
  int root_;
  std::string paths_;
  std::vector<size_t> sizes_;
  char* to_;
  Napi::Reference<Napi::Uint8Array> into_;  // keeps the memory until the end
  size_t place_ = 0;
  int result_ = 0;
};

}  // namespace

Napi::Value ListFolder(const Napi::CallbackInfo& info) {
  const auto most = static_cast<size_t>(info[2].As<Napi::Number>().Int64Value());
  // the worker deletes itself when it is done
  auto* listing = new Listing(info.Env(), info[0].As<Napi::Number>().Int32Value(), info[1].As<Napi::String>().Utf8Value(), most);
  const Napi::Promise promise = listing->promise();
  listing->Queue();
  return promise;
}

Napi::Value ReadContents(const Napi::CallbackInfo& info) {
  const Napi::Float64Array given = info[2].As<Napi::Float64Array>();
  std::vector<size_t> sizes;
  sizes.reserve(given.ElementLength());
  for (size_t place = 0; place < given.ElementLength(); ++place) sizes.push_back(static_cast<size_t>(given[place]));
  auto* contents = new Contents(info.Env(), info[0].As<Napi::Number>().Int32Value(), info[1].As<Napi::String>().Utf8Value(),
                                std::move(sizes), info[3].As<Napi::Uint8Array>());
  const Napi::Promise promise = contents->promise();
  contents->Queue();
  return promise;
}

}  // namespace nacelle
