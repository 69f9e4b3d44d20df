// A web server that answers from the cache, and asks the database for what is not there. It finds both by their names.
import { createServer } from 'node:http';

async function find(path) {
  const cached = await fetch(`http://cache:7000${path}`);
  if (cached.ok) return [await cached.text(), 'cache'];
  const stored = await fetch(`http://database:7000${path}`);
  if (!stored.ok) return [null, 'nowhere'];
  const body = await stored.text();
  await fetch(`http://cache:7000${path}`, { method: 'PUT', body });
  return [body, 'database'];
}

createServer(async (request, response) => {
  try {
    const [body, from] = await find(request.url);
    response.writeHead(body === null ? 404 : 200, { 'x-from': from }).end(body ?? '');
  } catch (error) {
    response.writeHead(502).end(String(error));
  }
}).listen(8080);
