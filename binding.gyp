{
  'variables': {
    # 1: AddressSanitizer and UndefinedBehaviorSanitizer (npm run test:sanitize).
    'nacelle_sanitize%': 0,
    # 1: for other machines than this one, to be shipped (npm run prebuilds).
    'nacelle_prebuild%': 0,
    # Then: the options by which the shim is compiled and linked with musl, as scripts/prebuild/musl.mjs has them.
    'nacelle_musl_cflags%': '',
    'nacelle_musl_ldflags%': '',
    'nacelle_musl_libraries%': '',
    # Warnings are errors in a checkout. In an installed package they are not: a compiler newer than
    # the release would break the install with a warning of its own.
    'nacelle_strict%': '<!(node -p "Number(require(\'fs\').existsSync(\'tsconfig.json\'))")',
  },
  'target_defaults': {
    # What Node's own common.gypi adds and we don't want.
    'cflags!': ['-Wno-unused-parameter'],
    'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
    'ldflags!': ['-rdynamic'],
    'include_dirs': ['addon'],
    'cflags': ['-Wall', '-Wextra', '-Wpedantic', '-fvisibility=hidden', '-fstack-protector-strong'],
    'cflags_cc': ['-std=c++17', '-fno-exceptions', '-fno-rtti'],
    'ldflags': ['-Wl,-z,relro,-z,now,-z,noexecstack'],
    'defines': ['_GNU_SOURCE', 'NACELLE_VERSION="<!(node -p "require(\'./package.json\').version")"'],
    'conditions': [
      ['nacelle_strict==1', { 'cflags': ['-Werror'] }],
    ],
    'configurations': {
      'Release': {
        'cflags!': ['-O3'],
        'conditions': [
          ['nacelle_sanitize==1', {
            'cflags': ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined', '-g1', '-Og', '-fno-omit-frame-pointer'],
            'ldflags': ['-fsanitize=address,undefined'],
          }, {
            'cflags': ['-O2', '-U_FORTIFY_SOURCE', '-D_FORTIFY_SOURCE=2', '-ffunction-sections', '-fdata-sections'],
            'ldflags': ['-Wl,--gc-sections', '-s'],
          }],
          # Half as large, and as fast: system calls are what takes the time. Nothing unwinds: there are no exceptions.
          ['nacelle_prebuild==1', {
            'cflags': ['-Os', '-fno-asynchronous-unwind-tables', '-fno-unwind-tables'],
            'defines': ['_GLIBCXX_EXTERN_TEMPLATE=0'],
          }],
        ],
      },
    },
  },
  'conditions': [
    ['OS=="linux"', {
      'targets': [
        {
          'target_name': 'nacelle',
          'sources': ['<!@(node -p "require(\'fs\').readdirSync(\'addon\').filter((f) => f.endsWith(\'.cc\')).sort().map((f) => \'addon/\' + f).join(\' \')")'],
          'include_dirs': ['<!(node -p "require(\'node-addon-api\').include_dir")'],
          # UNTHROWABLE: in a Worker that is being terminated nothing can be thrown any more, and the wrapper would end the process.
          'defines': ['NAPI_VERSION=8', 'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS', 'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
          'cflags': ['-fPIC'],
          # Stays loaded when the last environment that used it ends: a Worker's loop calls back after that, and the
          # connection to the shim is the process's.
          'ldflags': ['-Wl,-z,nodelete'],
          'conditions': [
            # One file for glibc and for musl, whose loader takes the name libc.so.6 for its own: it needs no other library, and no symbol that
            # one of them lacks (scripts/prebuild/symbols.mjs).
            ['nacelle_prebuild==1', {
              'sources': ['addon/prebuild/runtime.cc', 'addon/prebuild/old_libc.cc'],
              # off_t has 64 bits with and without, but the functions have other names
              'defines!': ['_FILE_OFFSET_BITS=64', '_LARGEFILE_SOURCE'],
              # what it has of the C++ library is nobody else's
              'ldflags': ['-nodefaultlibs', '-Wl,--version-script=<(module_root_dir)/addon/prebuild/exports.map'],
              'libraries': ['-l:libstdc++.a', '-l:libc.so.6', '-lgcc'],
              'conditions': [['target_arch=="x64"', { 'cflags': ['-mtls-dialect=gnu2'] }]],
            }],
          ],
        },
        {
          # The supervisor: an executable of its own, static, so that it runs whatever the container's root holds.
          'target_name': 'nacelle-shim',
          'type': 'executable',
          'sources': ['<!@(node -p "require(\'fs\').readdirSync(\'addon/shim\', { recursive: true }).filter((f) => f.endsWith(\'.cc\') && !/(^|[/])(fuzz|sanitize)[/]/.test(f)).sort().map((f) => \'addon/shim/\' + f).join(\' \')")'],
          'cflags': ['-fPIE'],
          'conditions': [
            ['nacelle_sanitize==1', {
              'sources': ['addon/shim/sanitize/options.cc', 'addon/shim/sanitize/executable.cc'],
              'sources!': ['addon/shim/modes/executable.cc'],
              'defines': ['NACELLE_REPORTS="<(module_root_dir)/reports"', 'NACELLE_INIT="<(module_root_dir)/build/Release/nacelle-init"'],
              'ldflags': ['-pie'],
            }, { 'ldflags': ['-static-pie'] }],
            ['nacelle_prebuild==1', {
              'sources': ['addon/prebuild/runtime.cc'],
              # it has one thread
              'cflags': ['<@(nacelle_musl_cflags)', '-fno-threadsafe-statics'],
              'ldflags': ['<@(nacelle_musl_ldflags)'],
              'libraries': ['<@(nacelle_musl_libraries)'],
            }],
          ],
        },
      ],
      'conditions': [
        ['nacelle_sanitize==1', {
          'targets': [{
            'target_name': 'nacelle-init',
            'type': 'executable',
            'sources': [
              'addon/shim/sanitize/main.cc', 'addon/shim/modes/by_name.cc', 'addon/shim/modes/reaper.cc', 'addon/shim/modes/pump.cc',
              'addon/shim/modes/log.cc', 'addon/shim/modes/denials.cc', 'addon/shim/modes/denied_process.cc', 'addon/shim/modes/watchdog.cc',
              'addon/shim/modes/closer.cc', 'addon/shim/modes/notify.cc', 'addon/shim/modes/ready_message.cc',
              'addon/shim/modes/names.cc', 'addon/shim/modes/relay.cc', '<!@(node -p "require(\'fs\').readdirSync(\'addon/shim/relay\').filter((f) => f.endsWith(\'.cc\')).sort().map((f) => \'addon/shim/relay/\' + f).join(\' \')")',
              '<!@(node -p "require(\'fs\').readdirSync(\'addon/shim/egress\').filter((f) => f.endsWith(\'.cc\')).sort().map((f) => \'addon/shim/egress/\' + f).join(\' \')")',
              '<!@(node -p "require(\'fs\').readdirSync(\'addon/shim/names\').filter((f) => f.endsWith(\'.cc\')).sort().map((f) => \'addon/shim/names/\' + f).join(\' \')")',
              'addon/shim/kernel/file_io.cc', 'addon/shim/kernel/loop.cc', 'addon/shim/kernel/unprivileged.cc', 'addon/shim/wire/channel.cc',
            ],
            'cflags': ['-fPIE'],
            # after those of the configuration, which it takes back
            'configurations': {
              'Release': { 'cflags': ['-fno-sanitize=all'], 'ldflags': ['-fno-sanitize=all', '-static-pie'] },
            },
          }],
        }],
      ],
    }, {
      # Importing works elsewhere and says at the first use what is missing; there is nothing to build.
      'targets': [{ 'target_name': 'nacelle', 'type': 'none' }, { 'target_name': 'nacelle-shim', 'type': 'none' }],
    }],
  ],
}
