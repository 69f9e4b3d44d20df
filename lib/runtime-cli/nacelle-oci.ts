#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { main } from './runtime-main.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
void main(process.argv.slice(2), version).then((status) => {
  process.exitCode = status;
});
