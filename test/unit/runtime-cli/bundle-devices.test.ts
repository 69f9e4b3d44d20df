import { expect, it } from 'vitest';
import { ANYWHERE, NONE, Slots } from '../../../lib/plan/plan.js';
import { allDevices, placeDevices } from '../../../lib/runtime-cli/plan/bundle-devices.js';
import { outsideNodes } from '../../../lib/runtime-cli/plan/outside-devices.js';

const own = { type: 'c', path: '/dev/own', major: 1, minor: 3, fileMode: 0o640, uid: 5, gid: 6 } as const;
const ids = [{ inside: 0, outside: 1000, count: 10 }];
const maps = { uid: ids, gid: ids };
const placed = (devices: Parameters<typeof allDevices>[0]) =>
  allDevices(devices).map((named) => ({ ...named, root: 1, path: named.device.path, ground: ANYWHERE }));
const placedBy = (maker: Parameters<typeof placeDevices>[2], device: Parameters<typeof allDevices>[0][number] = own) =>
  placeDevices(placed([device]), new Slots(), maker);

it("devices of the host are taken by the shim where the process has no rights over the host's folders", () => {
  const openedBy = (ownMounts: number) => placedBy({ makesDevices: false, maps: null, ownMounts }).open[0];
  expect(openedBy(NONE)).toMatchObject({ op: 'clone_mount', path: '/dev/null' });
  expect(openedBy(9)).toMatchObject({ op: 'clone_mount_in', host: true, ns: 9, path: '/dev/null' });
});

it('devices of config.json are made where a user namespace is entered later, by who may, with owners of outside', () => {
  const { outside, open, attach } = placedBy({ makesDevices: true, maps, ownMounts: 9 });
  expect(outside).toMatchObject([{ device: { path: '/dev/own', uid: 1005, gid: 1006 } }]);
  expect(open.map((step) => 'path' in step && step.path)).not.toContain('/dev/own');
  // taken in a row, which is one answer of the shim's
  expect(open.map(({ op }) => op)).toEqual([...Array(6).fill('clone_mount_in'), ...Array(6).fill('set_mount')]);
  expect(attach.map(({ op }) => op)).toEqual(Array(7).fill('attach'));
  const steps = outsideNodes(outside, new Slots(), []);
  expect(steps.map(({ op }) => op)).toEqual([
    'unshare',
    'set_propagation',
    'filesystem',
    'attach_at',
    'mknod',
    'clone_mount',
    'detach',
    'close',
  ]);
  expect(steps[4]).toMatchObject({ mode: 0o20640, major: 1, minor: 3, uid: 1005, gid: 1006 });
  expect(outsideNodes([], new Slots(), [])).toEqual([]);
});

it('devices are bound where the runtime makes none, and where the owner has no id outside', () => {
  const steps = [...Array(7).fill('clone_mount_in'), ...Array(7).fill('set_mount')];
  const bound = { outside: [], open: steps.map((op) => expect.objectContaining({ op })) };
  expect(placedBy({ makesDevices: false, maps, ownMounts: 9 })).toMatchObject(bound);
  expect(placedBy({ makesDevices: true, maps, ownMounts: 9 }, { ...own, gid: 10 })).toMatchObject(bound);
});
