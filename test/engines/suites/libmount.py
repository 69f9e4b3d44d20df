"""What crun's tests of mounts use of util-linux's libmount, which Debian has not for Python."""


class Mount:
    def __init__(self, line):
        fields = line.split()
        self.target, self.vfs_options, self.fs_options = fields[4], fields[5], fields[fields.index('-') + 3]


class Table:
    def __init__(self, path):
        with open(path) as lines:
            self.mounts = [Mount(line) for line in lines if ' - ' in line]

    def find_target(self, target):
        return next((mount for mount in reversed(self.mounts) if mount.target == target), None)
