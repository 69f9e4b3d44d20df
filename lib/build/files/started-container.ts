import type { Container } from '../../container/container.js';

/** Starts a container; one that can't be started is removed. @throws what `start` throws */
export async function started(container: Container): Promise<Container> {
  try {
    await container.start();
    return container;
  } catch (error) {
    await container.remove({ force: true });
    throw error;
  }
}
