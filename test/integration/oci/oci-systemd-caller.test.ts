import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect } from 'vitest';
import { ownCaller } from '../../../lib/runtime-cli/caller/caller.js';
import { createContainer, leavePlans } from '../../../lib/runtime-cli/create-container.js';
import { bundleOf, orRefused, ROOT_RIGHTS, statesFolder } from '../../fixtures/bundle-container.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox'] });
const folder = temporaryFolder();

describe('the systemd of a user', () => {
  it.each([
    ['XDG_RUNTIME_DIR', folder, 'systemd/private'],
    ['DBUS_SESSION_BUS_ADDRESS', `unix:path=${join(folder, 'session')}`, 'session'],
  ])('is looked for by %s of whoever calls, not of the process that plans', async (name, value, socket) => {
    mkdirSync(join(folder, 'systemd'), { recursive: true });
    let asked = 0;
    const server = createServer((connection) => {
      ++asked;
      connection.on('error', () => undefined).destroy();
    }).listen(join(folder, socket));
    await once(server, 'listening');
    const bundle = bundleOf('true', (config) => {
      config.linux.cgroupsPath = 'user.slice:nacelle:one';
    });
    const request = {
      root: statesFolder(),
      id: 'one',
      bundle,
      config: 'config.json',
      pidFile: null,
      consoleSocket: null,
    };
    try {
      const answer = await orRefused(async () => {
        await createContainer(
          {
            ...{
              ...request,
              pidfdSocket: null,
              newKeyring: true,
              noPivot: false,
              detach: true,
              preservedFds: 0,
              systemd: true,
              keep: false,
            },
            // the socket of a systemd in XDG_RUNTIME_DIR comes first, and without the variable in /run/user
            caller: { ...ownCaller(), env: { XDG_RUNTIME_DIR: join(folder, 'none'), [name]: value } },
            debug: () => undefined,
            rights: { ...ROOT_RIGHTS, isConfined: true },
          },
          leavePlans,
        );
        return 'made';
      });
      expect([answer, asked]).toEqual(['refused: ERR_UNSUPPORTED', 1]);
    } finally {
      server.close();
      await once(server, 'close');
    }
  });
});
