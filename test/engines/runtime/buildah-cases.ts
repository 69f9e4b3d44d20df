import type { EngineCase } from './engine-case.js';

/** What is asked of buildah, whose `run` and `build` call a runtime. */
export const BUILDAH_CASES: readonly EngineCase[] = [
  [
    'run',
    `buildah from --name one base >/dev/null; buildah run --runtime "$RUNTIME" --network none one sh -c 'echo hello; id -u; exit 5'; echo $?`,
  ],
  [
    'run with a user, a folder and a volume',
    `mkdir -p /work/shared; echo shared >/work/shared/file; buildah from --name one base >/dev/null; buildah config --user app --workingdir /tmp one; buildah run --runtime "$RUNTIME" --network none -v /work/shared:/mnt:ro one sh -c 'id -un; pwd; cat /mnt/file'`,
  ],
  [
    'build',
    `printf 'FROM base\\nRUN echo built >/file && id -u\\nUSER app\\nRUN id -u\\nRUN --mount=type=tmpfs,target=/data touch /data/x && ls /data\\n' | buildah build --runtime "$RUNTIME" --network none --isolation oci -t made -f - 2>/dev/null | grep -v '^[0-9a-f]*$'; buildah from --name one made >/dev/null; buildah run --runtime "$RUNTIME" --network none one cat /file; buildah rm one >/dev/null; buildah rmi made >/dev/null`,
  ],
];
