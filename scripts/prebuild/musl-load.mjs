// Loads the addon of this machine's architecture with musl's own loader, in a program that has functions of Node's names. Debian has no Node for musl,
// so what this shows is that each function and each relocation is found, not more.
import { writeFileSync } from 'node:fs';
import { command } from '../shared.mjs';
import { parseSymbols } from './symbols.mjs';
import { targets } from './targets.mjs';

const program = (names) => `#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
${names.map((name) => `void ${name}(void) { abort(); }`).join('\n')}
int main(int count, char **words) {
  void *addon = count > 1 ? dlopen(words[1], RTLD_NOW | RTLD_LOCAL) : NULL;
  if (!addon || !dlsym(addon, "napi_register_module_v1")) return fprintf(stderr, "%s\\n", dlerror()), 1;
  puts("loaded");
  return 0;
}
`;

/** True when it loads, or is for another machine. */
export function loadsOnMusl(arch, folder, { loader, include, lib }) {
  if (arch !== process.arch) return true;
  const addon = `${folder}/build/Release/nacelle.node`;
  const wanted = parseSymbols(command('readelf', ['--wide', '--dyn-syms', addon]));
  const names = wanted.filter(({ name, isUndefined }) => isUndefined && /^(napi|uv)_/.test(name)).map(({ name }) => name);
  writeFileSync(`${folder}/load.c`, program(names));
  const compiler = targets[arch].compiler.replace(/g\+\+$/, 'gcc');
  const links = ['-nostdlib', '-rdynamic', `${lib}/Scrt1.o`, `${lib}/crti.o`, 'load.c', loader, `${lib}/crtn.o`];
  command(compiler, ['-nostdinc', '-fno-stack-protector', '-isystem', include, '-o', 'load', ...links], folder);
  try {
    const said = command(loader, ['./load', addon], folder);
    console.log(`${arch}: the addon is ${said} by musl's loader`);
    return said === 'loaded';
  } catch (error) {
    console.error(`FAIL prebuild ${arch}: ${error.message}`);
    return false;
  }
}
