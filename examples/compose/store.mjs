// A store of texts: PUT /KEY sets one, GET /KEY gets it. The database and the cache are this.
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

const texts = new Map();
createServer(async (request, response) => {
  if (request.method === 'PUT') texts.set(request.url, await text(request));
  const found = texts.get(request.url);
  response.writeHead(found === undefined ? 404 : 200).end(found);
}).listen(7000);
