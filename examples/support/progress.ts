import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import type { ProgressEvent } from 'nacelle';

/** Shows layers on their way: bars on a terminal, a line for each step elsewhere. `stop` when it is over. */
export function showProgress(): { onProgress: (event: ProgressEvent) => void; stop: () => void } {
  return process.stderr.isTTY ? bars() : { onProgress: plainLines(), stop: () => undefined };
}

function bars(): ReturnType<typeof showProgress> {
  const format = '{digest} {bar} {percentage}% {status}';
  const all = new MultiBar({ format, stream: process.stderr, hideCursor: true }, Presets.shades_classic);
  const byDigest = new Map<string, SingleBar>();
  return {
    onProgress: ({ digest, status, bytes, total }) => {
      const bar = byDigest.get(digest) ?? all.create(total, 0);
      byDigest.set(digest, bar);
      bar.update(bytes, { digest: digest.slice(7, 19), status });
    },
    stop: () => all.stop(),
  };
}

function plainLines(): (event: ProgressEvent) => void {
  const last = new Map<string, string>();
  return ({ digest, status, total }) => {
    if (last.get(digest) === status) return;
    last.set(digest, status);
    console.error(`${digest.slice(7, 19)} ${status} (${total} bytes)`);
  };
}
