/** An older call through which another one can be made, by the number in its first argument. */
export interface Multiplexed {
  readonly by: 'socketcall' | 'ipc';
  readonly number: number;
}

const names = (by: Multiplexed['by'], first: number, list: string): [string, Multiplexed][] =>
  list.split(' ').map((name, index) => [name, { by, number: first + index }]);

/** i386's calls that are parts of socketcall(2) and ipc(2) too, of linux/net.h and linux/ipc.h. */
export const multiplexed: ReadonlyMap<string, Multiplexed> = new Map([
  ...names('socketcall', 1, 'socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown'),
  ...names('socketcall', 14, 'setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg'),
  ...names('ipc', 1, 'semop semget semctl semtimedop'),
  ...names('ipc', 11, 'msgsnd msgrcv msgget msgctl'),
  ...names('ipc', 21, 'shmat shmdt shmget shmctl'),
]);
