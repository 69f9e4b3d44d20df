import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { Image } from '../../../lib/index.js';
import { processInfo, readText } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { makeCertificates, SOMEBODY, startRegistry, type TestCertificates, type TestRegistry } from '../../fixtures/registry.js';
import { IMAGE_TOOLS, layoutIn, nameAt, skopeo } from '../../fixtures/registry-images.js';
import { missing, requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import type { LayerFiles } from '../../fixtures/tiny-image.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const needs = { root: true, tools: [...IMAGE_TOOLS, 'openssl'] };
const { it, describe } = requires(needs);

const folder = temporaryFolder();
const store = useNewStore(folder);

let guarded: TestRegistry;
let tls: TestCertificates;
beforeAll(async () => {
  if (missing(needs).length > 0) return;
  tls = makeCertificates(folder);
  guarded = await startRegistry(folder, { tls, password: true });
});
afterAll(async () => guarded?.close());
const layout = (layers?: readonly LayerFiles[]): string => layoutIn(folder, layers);

describe('a registry that wants to know who asks', () => {
  const auth = SOMEBODY;
  const config = (value: object): string => {
    const here = mkdtempSync(join(folder, 'config-'));
    writeFileSync(join(here, 'config.json'), JSON.stringify(value));
    process.env.DOCKER_CONFIG = here;
    return here;
  };
  const base64 = Buffer.from(`${auth.username}:${auth.password}`).toString('base64');
  const placedThere = (): string => {
    const name = nameAt(guarded.host);
    skopeo(
      'copy',
      '-q',
      '--dest-tls-verify=false',
      '--dest-creds',
      `${auth.username}:${auth.password}`,
      `oci:${layout()}:v0`,
      `docker://${name}`,
    );
    return name;
  };

  it('gives nothing without, or with the wrong ones', async () => {
    const name = placedThere();
    const insecure = true;
    await expect(Image.pull(name, { insecure })).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
    const wrong = Image.pull(name, { insecure, auth: { ...auth, password: 'wrong' } });
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED', message: expect.not.stringContaining('wrong') });
    expect(await Image.pull(name, { insecure, auth })).toMatchObject({ reference: `${name}:latest` });
  });

  it("takes docker's configuration", async () => {
    const name = placedThere();
    config({ auths: { [guarded.host]: { auth: base64 } } });
    await Image.pull(name, { insecure: true });
    store.renew();
    config({ auths: { [`https://${guarded.host}/v1/`]: { auth: base64 } } });
    await Image.pull(name, { insecure: true });
    store.renew();
    config({ auths: { [guarded.host]: { registrytoken: 'is used, and refused' } } });
    await expect(Image.pull(name, { insecure: true })).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
    config({ auths: { 'elsewhere.example': { auth: base64 } } });
    await expect(Image.pull(name, { insecure: true })).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
    const here = config({});
    writeFileSync(join(here, 'config.json'), `{"auths": ${base64}`);
    const broken = Image.pull(name, { insecure: true });
    await expect(broken).rejects.toMatchObject({ message: expect.stringContaining(join(here, 'config.json')) });
    await expect(broken).rejects.not.toMatchObject({ message: expect.stringContaining(base64) });
  });

  it('takes what a credential helper says', async () => {
    const name = placedThere();
    const here = config({ credHelpers: { [guarded.host]: 'of-a-test' } });
    const path = process.env.PATH;
    process.env.PATH = `${here}:${path}`;
    try {
      await expect(Image.pull(name, { insecure: true })).rejects.toThrow(/docker-credential-of-a-test.*not in PATH/);
      const answer = JSON.stringify({ ServerURL: guarded.host, Username: auth.username, Secret: auth.password });
      writeFileSync(
        join(here, 'docker-credential-of-a-test'),
        `#!/bin/sh\nread server\n[ "$1 $server" = "get ${guarded.host}" ] && echo '${answer}'\n`,
      );
      chmodSync(join(here, 'docker-credential-of-a-test'), 0o755);
      await Image.pull(name, { insecure: true });
      store.renew();
      writeFileSync(join(here, 'docker-credential-of-a-test'), `#!/bin/sh\necho '${answer}'\nexit 1\n`);
      const failed = Image.pull(name, { insecure: true });
      await expect(failed).rejects.toMatchObject({ message: expect.stringContaining('it failed') });
      await expect(failed).rejects.not.toMatchObject({ message: expect.stringContaining(auth.password) });
      writeFileSync(join(here, 'docker-credential-of-a-test'), "#!/bin/sh\necho 'credentials not found in native keychain'\nexit 1\n");
      await expect(Image.pull(name, { insecure: true })).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
      // somebody at a screen, who never answers
      writeFileSync(join(here, 'docker-credential-of-a-test'), `#!/bin/sh\necho $$ > ${here}/asked\nexec sleep 1000\n`);
      const stop = new AbortController();
      const waiting = expect(Image.pull(name, { insecure: true, cancelSignal: stop.signal })).rejects.toThrow('enough');
      const pid = Number(await until('the helper is asked', () => readText(join(here, 'asked'))?.trim() || null));
      stop.abort(new Error('enough'));
      await waiting;
      await until('the helper is gone', () => processInfo(pid) === null);
    } finally {
      process.env.PATH = path;
    }
  });
});
