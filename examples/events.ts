import { Cgroup } from 'nacelle';

/** Tells what happens in a group while a greedy program runs in it, until the group is removed. */
const group = await Cgroup.create('example-events', { memory: '32m' });
// ends with the group; to wait for events keeps no process alive, so nothing waits for this
void (async () => {
  for await (const { type, count } of group.events()) console.log(type, count);
})();

const greedy = 'x=$(head -c 100000000 /dev/zero | tr "\\0" x); echo "$x"';
const { reason } = await group.run(['sh', '-c', greedy]);
console.log(reason);

await group.remove();
