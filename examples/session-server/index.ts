// The session server of an AI agent, and a client that tries all of it: commands with limits and with output as it comes, files in and out,
// sessions that stand still while nobody uses them, and a server that is killed, whose sessions the next one finds again.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Container } from 'nacelle';
import { Client, Server } from './client.js';

const labels = { sessions: `example-${process.pid}` };
const token = randomUUID();
const env = { SESSIONS_TOKEN: token, SESSIONS_LABEL: labels.sessions, SESSIONS_IDLE_MS: '300' };

/** Told by the containers themselves, not by the server. */
async function untilPaused(id: string): Promise<void> {
  const isPaused = async () => (await Container.list({ labels })).some((one) => one.id === id && one.state === 'paused');
  const signal = AbortSignal.timeout(60_000);
  while (!(await isPaused())) await sleep(20, undefined, { signal });
}

let server = await Server.start(env);
try {
  let agent = new Client(server.address, token);
  const id = await agent.create();
  assert.deepEqual(await agent.list(), [{ id, state: 'running' }]);

  // Files go in, a command finds them, and what it leaves comes out as a tar, which goes into another session.
  await agent.put(id, '/work/task.sh', 'echo "$1 times 7"\necho $(($1 * 7)) > answer\n');
  assert.equal((await agent.run(id, ['sh', 'task.sh', '6'])).output, '6 times 7\n');
  const tar = await agent.ask('GET', `/sessions/${id}/files?path=/work/`);
  const other = await agent.create();
  await agent.ask('PUT', `/sessions/${other}/files?path=/work`, new Uint8Array(await tar.arrayBuffer()), 'application/x-tar');
  assert.equal((await agent.run(other, ['cat', 'answer'])).output, '42\n');
  console.log('files went from one session to another');

  // Output comes while the command runs: this one goes on only when its first line was read here.
  const seen: unknown[] = [];
  for await (const line of agent.exec(id, ['sh', '-c', 'echo waiting; until [ -e go ]; do sleep 0.05; done; echo gone >&2'])) {
    seen.push(line.data ?? line.status);
    if (line.data === 'waiting\n') await agent.put(id, '/work/go', '');
  }
  assert.deepEqual(seen, ['waiting\n', 'gone\n', 'ok']);
  console.log('output came while the command ran');

  // Each command has limits of its own, and none of them ends the session.
  const ends = await Promise.all([
    agent.run(id, ['sh', '-c', '(setsid sleep 1000 &); sleep 1000'], { timeout: 300 }),
    agent.run(id, ['sh', '-c', 'head -c 100m /dev/zero | tail'], { memory: 32 * 1024 * 1024 }),
    agent.run(id, ['yes'], { maxOutput: 1000 }),
    agent.run(id, ['sh', '-c', 'exit 3']),
  ]);
  const statuses = ends.map(({ end }) => end.status);
  assert.deepEqual(statuses, ['timeout', 'memory-limit', 'output-limit', 'nonzero-exit']);
  assert.equal(ends[2].output, 'y\n'.repeat(500));
  console.log(`limits ended commands: ${statuses.join(', ')}`);

  // What is wrong is told, and nobody gets in without the token.
  const exec = (session: string, body: string) => agent.ask('POST', `/sessions/${session}/exec`, body);
  const refused = await Promise.all([
    exec(id, '{"command":["no-such-program"]}'),
    exec(id, '{"command":"ls"}'),
    exec(id, 'ls'),
    exec('of-nobody', '{"command":["ls"]}'),
    agent.ask('GET', `/sessions/${id}/files?path=/work/none`),
    agent.ask('PUT', `/sessions/${id}/files?path=/work/big`, new Uint8Array(17 * 1024 * 1024)),
    new Client(server.address, 'guessed').ask('GET', '/sessions'),
  ]);
  for (const response of refused) console.log(`${response.status}: ${await response.text()}`);
  assert.deepEqual(
    refused.map(({ status }) => status),
    [404, 400, 400, 404, 404, 413, 401],
  );

  // Idle sessions stand still. Their files can be had all the same, and the next command goes on.
  await untilPaused(id);
  assert.equal((await agent.ask('GET', `/sessions/${id}/files?path=/work/answer`)).status, 200);
  assert.equal((await agent.run(id, ['cat', 'answer'])).output, '42\n');
  await untilPaused(id);
  console.log('an idle session was paused, went on for a command, and was paused again');

  // The server dies, and the sessions live on. The next one finds them by their label.
  await server.kill();
  server = await Server.start(env);
  agent = new Client(server.address, token);
  assert.deepEqual((await agent.list()).map((session) => session.id).sort(), [id, other].sort());
  assert.equal((await agent.run(id, ['cat', 'answer'])).output, '42\n');
  console.log('a new server found the sessions');

  for (const session of [id, other]) await agent.ask('DELETE', `/sessions/${session}`);
  assert.deepEqual(await Container.list({ labels }), []);
} finally {
  await server.kill();
  // After a failure: what is left of it.
  for (const { id } of await Container.list({ labels })) await (await Container.attach(id)).remove({ force: true });
}
