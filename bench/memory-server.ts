// Fastify in a separate process, which sends bytes from memory. This is the lower bound for any server that sends these bytes
// with Fastify.
import { fastify } from 'fastify';

const app = fastify();
let body = Buffer.alloc(0);

app.get('/', (_request, reply) => reply.type('application/json; charset=utf-8').send(body));

process.on('message', (bytes: string) => {
  body = Buffer.from(bytes);
  process.send?.({ ok: true });
});

await app.listen({ host: '127.0.0.1', port: 0 });
process.send?.({ port: (app.server.address() as { port: number }).port });
