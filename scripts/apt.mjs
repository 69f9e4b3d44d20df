// What the scripts take from Debian's archive without installing it: packages of another suite or for another architecture than this machine's.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { command } from './shared.mjs';

const DEBIAN_KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** The mirror and the suite that this machine has its own packages from; `release` is the suite as its list of sources names it. */
function ownSource() {
  const targets = [
    'indextargets',
    '--format',
    '$(REPO_URI) $(CODENAME) $(RELEASE)',
    'Identifier: Packages',
    'Origin: Debian',
    'Component: main',
  ];
  const [mirror, suite, release] = command('apt-get', targets).split('\n')[0].split(' ');
  if (!mirror || !suite) throw new Error('apt knows no mirror of Debian: this needs Debian, after apt-get update');
  return { mirror, suite, release };
}

/** The suite that this machine has its own packages from, and the version that a package has there, by the lists that are on this machine. */
export function ownVersion(name) {
  const { suite, release } = ownSource();
  const lines = command('apt-cache', ['madison', name]).split('\n');
  const fields = lines.map((line) => line.split('|').map((field) => field.trim()));
  const found = fields.find(([, , from = '']) => from.includes(` ${release}/main `) || from.includes(` ${suite}/main `));
  if (!found) throw new Error(`apt knows no ${name} of ${suite}: this needs apt-get update`);
  return { suite, version: found[1] };
}

/**
 * Has the package lists of a suite, this machine's own by default, in a folder, and in no place of the machine's own: the options by which apt
 * uses them. `architecture` as Debian names it.
 */
export function listsIn(folder, { suite = ownSource().suite, architecture } = {}) {
  if (!/^[a-z-]+$/.test(suite)) throw new Error(`${suite} is no name of a suite, as trixie is`);
  mkdirSync(join(folder, 'lists/partial'), { recursive: true });
  writeFileSync(join(folder, 'sources.list'), `deb [signed-by=${DEBIAN_KEYS}] ${ownSource().mirror} ${suite} main\n`);
  const places = {
    'Dir::Etc::SourceList': join(folder, 'sources.list'),
    'Dir::Etc::SourceParts': '-',
    'Dir::State::Lists': join(folder, 'lists'),
    'Dir::Cache::pkgcache': '',
    'Dir::Cache::srcpkgcache': '',
    // the user of apt's own does not come into this folder
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    ...(architecture && { 'APT::Architecture': architecture, 'APT::Architectures': architecture }),
  };
  const options = Object.entries(places).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  command('apt-get', [...options, '-q', '--error-on=any', 'update']);
  return options;
}

/** Unpacks packages into a folder. `options` are those of {@link listsIn}, or none for this machine's own lists. */
export function unpack(packages, folder, options = []) {
  command('apt-get', [...options, 'download', '-q', ...packages], folder);
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.deb'))) {
    command('dpkg-deb', ['-x', file, '.'], folder);
    rmSync(join(folder, file));
  }
}
