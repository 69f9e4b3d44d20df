// The rooms of the house, from top to bottom: a file imports from its own room and from those below, types included. Rooms in one line
// know nothing of each other. Run by lint, with three more rules: no file imports itself by way of others, no name is two files', and
// every file has a room.
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { filesBelow, root } from './shared.mjs';

const typescript = {
  files: filesBelow('lib', /\.ts$/),
  imports: /\b(?:from|import)\s*\(?\s*'(\.[^']+)'/g,
  fileOf: (name) => name.replace(/\.js$/, '.ts'),
  rooms: [
    ['lib/index.ts'],
    ['lib/runtime-cli'],
    ['lib/runtime-cli/plan', 'lib/runtime-cli/front', 'lib/runtime-cli/resident'],
    ['lib/runtime-cli/state'],
    ['lib/runtime-cli/config', 'lib/runtime-cli/caller'],
    ['lib/runtime-cli/boot'],
    // how the package is loaded
    ['lib/load'],
    ['lib/build'],
    ['lib/build/execute'],
    ['lib/build/mounts', 'lib/build/steps'],
    ['lib/build/lint', 'lib/build/cache'],
    ['lib/build/files'],
    ['lib/build/language'],
    ['lib/container'],
    ['lib/container/life'],
    ['lib/container/events'],
    ['lib/container/detached'],
    ['lib/container/exec', 'lib/container/files'],
    ['lib/container/bundle'],
    ['lib/container/pool'],
    ['lib/container/start'],
    ['lib/container/plan', 'lib/container/result', 'lib/container/logs'],
    ['lib/container/options'],
    ['lib/namespace', 'lib/cgroup', 'lib/network', 'lib/image', 'lib/security', 'lib/volume'],
    // below the images, which can be mounted
    ['lib/filesystem'],
    ['lib/cgroup/limits', 'lib/cgroup/events', 'lib/cgroup/stats', 'lib/image/archives', 'lib/image/host', 'lib/security/syscalls'],
    ['lib/network/cni'],
    ['lib/network/address.ts'],
    ['lib/cgroup/files', 'lib/image/layers'],
    ['lib/image/registry'],
    ['lib/image/store'],
    ['lib/image/formats'],
    ['lib/store'],
    ['lib/process'],
    ['lib/process/streams'],
    ['lib/process/options'],
    ['lib/host'],
    ['lib/dbus'],
    ['lib/oci-config'],
    ['lib/native'],
    ['lib/options'],
    ['lib/plan'],
    ['lib/errors.ts'],
  ],
};

const cpp = {
  files: filesBelow('addon', /\.(cc|h)$/),
  imports: /^#include "([^"]+)"/gm,
  fileOf: (name) => name,
  rooms: [
    [
      'addon/shim/main.cc',
      'addon/shim/sanitize',
      ...['egress', 'front', 'layer', 'names', 'relay', 'steps', 'supervisor'].map((room) => `addon/shim/${room}/fuzz`),
    ],
    ['addon/shim/supervisor', 'addon/shim/front'],
    ['addon/shim/child'],
    ['addon/shim/steps'],
    ['addon', 'addon/shim/layer', 'addon/shim/modes'],
    ['addon/shim/relay'],
    ['addon/shim/egress'],
    ['addon/shim/names'],
    ['addon/shim/wire'],
    ['addon/shim/kernel'],
  ],
};

/** The room of a file, with its line; the longest path that it lies in. */
function roomOf(file, rooms) {
  const all = rooms.flatMap((line, depth) => line.map((room) => ({ room, depth })));
  const fits = all.filter(({ room }) => file === room || file.startsWith(`${room}/`));
  return fits.sort((a, b) => b.room.length - a.room.length)[0];
}

function importsOf(file, { files, imports, fileOf }) {
  const from = file.startsWith('addon/shim') ? [dirname(file)] : [dirname(file), 'addon'];
  const found = [...readFileSync(root + file, 'utf8').matchAll(imports)].flatMap(([, name]) =>
    from.map((folder) => join(folder, fileOf(name))),
  );
  return [...new Set(found)].filter((name) => files.includes(name));
}

/** Each way round, once: the files in it, the first one twice. */
function cycles(graph) {
  const found = [];
  const done = new Set();
  const visit = (file, path) => {
    const at = path.indexOf(file);
    if (at >= 0) found.push([...path.slice(at), file]);
    if (at >= 0 || done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}

function problems(house) {
  const graph = new Map(house.files.map((file) => [file, importsOf(file, house)]));
  const wrong = cycles(graph).map((path) => `a cycle: ${path.join(' → ')}`);
  for (const [file, imports] of graph) {
    const own = roomOf(file, house.rooms);
    if (!own) wrong.push(`${file} is in no room`);
    for (const other of imports) {
      const { room, depth } = roomOf(other, house.rooms) ?? {};
      if (own && room !== own.room && !(depth > own.depth)) wrong.push(`${file} imports ${other}: ${own.room} is not above ${room}`);
    }
  }
  return wrong;
}

/** A file is found by its name: `fuzz/` and `sanitize/` hold what takes the place of another file. */
function namesakes(files) {
  const own = files.filter((file) => !/\/(?:fuzz|sanitize)\//.test(file));
  const names = [...new Set(own.map((file) => basename(file)))];
  const same = names.map((name) => own.filter((file) => basename(file) === name));
  return same.filter(({ length }) => length > 1).map((all) => `one name for ${all.length} files: ${all.join(', ')}`);
}

/** What is against the rules, as lines. */
export function checkRooms() {
  return [typescript, cpp].flatMap((house) => [...problems(house), ...namesakes(house.files)]);
}
