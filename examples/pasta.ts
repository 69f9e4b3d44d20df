// A container that reaches what this machine reaches, for any user: by pasta, the program of Debian's package passt.
import { Container, features } from 'nacelle';

const { available, reason, fix } = (await features()).network.pasta;
if (available) {
  const { stdout } = await Container.run({ image: 'host', command: ['ip', '-brief', 'address'], network: 'pasta' });
  console.log(stdout);
} else {
  console.log(`not here: ${reason}. ${fix ?? ''}`);
}
