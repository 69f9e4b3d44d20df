import { expect } from 'vitest';
import { test } from './redis.js';

test('the database of a file is empty at first', async ({ redis }) => {
  expect(await redis.client.call('DBSIZE')).toBe(0);
});

test('counts', async ({ redis }) => {
  expect(await redis.client.call('INCR', 'visits')).toBe(1);
  expect(await redis.client.call('INCRBY', 'visits', '41')).toBe(42);
});

test('keeps what an earlier test of the file has written', async ({ redis }) => {
  expect(await redis.client.call('GET', 'visits')).toBe('42');
  // Redis's own client, run beside the server, sees the same.
  expect((await redis.container.exec(['redis-cli', '-s', '/run/redis/socket', 'GET', 'visits'])).stdout).toBe('42\n');
});

test('wrong commands are errors', async ({ redis }) => {
  await expect(redis.client.call('LPUSH', 'visits', 'x')).rejects.toThrow('WRONGTYPE');
});
