import { expect } from 'vitest';
import { test } from './redis.js';

test.override({ settings: ['--save', '', '--maxmemory', '64mb'] });

test('the database is a fresh one, though another file has written to its own', async ({ redis }) => {
  expect(await redis.client.call('DBSIZE')).toBe(0);
});

test('hands out what came first', async ({ redis }) => {
  for (const job of ['one', 'two']) await redis.client.call('RPUSH', 'jobs', job);
  expect(await redis.client.call('LPOP', 'jobs')).toBe('one');
  expect(await redis.client.call('LPOP', 'jobs')).toBe('two');
  expect(await redis.client.call('LPOP', 'jobs')).toBeNull();
});

test('has the settings of this file', async ({ redis }) => {
  expect((await redis.container.exec(['redis-cli', '-s', '/run/redis/socket', 'CONFIG', 'GET', 'maxmemory'])).stdout).toContain('67108864');
});
