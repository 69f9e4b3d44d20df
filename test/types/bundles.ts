// What of bundles compiles, and what must not; compiled as options.ts is.
import { Container, type ContainerOptions } from 'nacelle';

export async function both(container: Container): Promise<string[]> {
  const { left } = await container.toBundle('/srv/bundle');
  const options: ContainerOptions = await Container.fromBundle('/srv/bundle');
  await Container.run({ ...options, timeout: 5000 });
  await Container.create({ ...options, detach: true });
  // @ts-expect-error a bundle is a folder
  await Container.fromBundle();
  // @ts-expect-error what is left out are names
  const number: number = left[0];
  return [...left, String(number)];
}
