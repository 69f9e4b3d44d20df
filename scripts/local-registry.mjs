// A registry of npm's with the packages that `npm run package` made, on a port of 127.0.0.1 that the first line printed tells. All other packages
// are at the registry that npm has been told of, to which requests are led on.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { command, root } from './shared.mjs';

const { name: own, version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
const upstream = command('npm', ['config', 'get', 'registry']).replace(/\/$/, '');
const tarballOf = (name) => `${root}${name}-${version}.tgz`;

/** What a registry says of a package, as npm install asks for it; `null` where that was not made. */
function packument(name, host) {
  const manifest = `${root}build-package/${name}/package.json`;
  if (!existsSync(manifest) || !existsSync(tarballOf(name))) return null;
  const integrity = `sha512-${createHash('sha512')
    .update(readFileSync(tarballOf(name)))
    .digest('base64')}`;
  const dist = { integrity, tarball: `http://${host}/${name}/-/${name}-${version}.tgz` };
  return { name, 'dist-tags': { latest: version }, versions: { [version]: { ...JSON.parse(readFileSync(manifest, 'utf8')), dist } } };
}

const server = createServer(({ url = '/', headers: { host } }, response) => {
  const [, name = '', file] = /^\/([^/]+)(?:\/-\/([^/]+))?$/.exec(url) ?? [];
  if (name !== own && !name.startsWith(`${own}-linux-`)) return void response.writeHead(302, { location: `${upstream}${url}` }).end();
  const about = packument(name, host);
  if (about === null) return void response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not found"}');
  if (file === undefined) return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(about));
  response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(readFileSync(tarballOf(name)));
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`));
