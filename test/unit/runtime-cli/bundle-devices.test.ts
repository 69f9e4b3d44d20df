import { expect, it } from 'vitest';
import { ANYWHERE, NONE, Slots } from '../../../lib/plan/plan.js';
import { boundDevices } from '../../../lib/runtime-cli/plan/bundle-devices.js';

const device = { type: 'c', path: '/dev/null', major: 1, minor: 3, fileMode: undefined, uid: undefined, gid: undefined } as const;

it("devices of the host are taken by the shim where the process has no rights over the host's folders", () => {
  const openedBy = (ns: number) => boundDevices([{ device, root: 1, path: 'null', ground: ANYWHERE }], new Slots(), ns).open;
  expect(openedBy(NONE)).toMatchObject([{ op: 'clone_mount', path: '/dev/null' }]);
  expect(openedBy(9)).toMatchObject([{ op: 'clone_mount_in', host: true, ns: 9, path: '/dev/null' }]);
});
