// Runs the Memcached container of the rendered chart in the network of this machine: without and with authentication, and
// with a memory that survives a restart.
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { SLOW_MS } from '../redis-builds.ts';
import { missingForCharts, openProductContainers, type ProductContainers, readMetric } from './product-containers.ts';
import { getContainer } from './rendered-pod.ts';

const reason = missingForCharts();
const PORT = 17211;
const METRICS_PORT = 17212;
/** The number of clients that send nothing. It is higher than the number of the exporter's workers. */
const SILENT_CLIENTS = 10;
/** The time limit for a container to start. This takes a second, and several times as long on a busy machine. */
const eventually = { timeout: 30_000, interval: 100 };
const PASSWORD = `a "quoted" \\n \\ $HOME 'password'`;
const ANSWER_MS_MAX = 10_000;
const SECOND_MS = 1000;
const [MAGIC_REQUEST, GET, SASL_AUTH] = [0x80, 0x00, 0x21];
const [STATUS_OK, STATUS_MISSING, STATUS_AUTH] = [0x00, 0x01, 0x20];

/** Sends requests on one connection, each after the previous answer. Returns the answers. */
async function ask(...requests: (string | Buffer)[]): Promise<Buffer[]> {
  const socket = connect(PORT, '127.0.0.1').setTimeout(ANSWER_MS_MAX, () => socket.destroy(new Error('no answer')));
  try {
    const answers: Buffer[] = [];
    for (const request of requests) {
      socket.write(request);
      answers.push(await new Promise((resolve, reject) => socket.once('data', resolve).once('error', reject)));
    }
    return answers;
  } finally {
    socket.destroy();
  }
}
const askText = async (request: string) => String((await ask(request))[0]).trimEnd();

/** Returns a request of the binary protocol. */
function binary(opcode: number, key: string, value = ''): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt8(MAGIC_REQUEST, 0);
  header.writeUInt8(opcode, 1);
  header.writeUInt16BE(key.length, 2);
  header.writeUInt32BE(key.length + value.length, 8);
  return Buffer.concat([header, Buffer.from(key + value)]);
}
const statusOf = (answer?: Buffer) => answer?.readUInt16BE(6);

describe.skipIf(reason !== '')(`the memcached container of the chart ${reason}`, () => {
  let containers: ProductContainers;
  beforeAll(async () => {
    containers = await openProductContainers('memcached');
  }, SLOW_MS);
  afterEach(() => containers?.stop());
  afterAll(() => containers?.[Symbol.asyncDispose]());
  const render = (values: object) =>
    containers.render({
      ...{ containerPorts: { memcached: PORT }, metrics: { enabled: true, containerPorts: { metrics: METRICS_PORT } } },
      ...values,
    });
  const start = async (name: string, values: object, container = 'memcached') =>
    await containers.start(name, { objects: await render(values), workload: 'Deployment/shop-memcached', container });
  const up = () => readMetric(METRICS_PORT, 'memcached_up');

  test('reads arguments as charts write them, a flag and its value in one', async () => {
    await start('arguments', { args: ['/run.sh', '-m 100', '-I 8m'] });
    expect(await askText('set a 0 0 1\r\nb\r\n')).toBe('STORED');
    const settings = await askText('stats settings\r\n');
    expect(settings).toContain(`STAT maxbytes ${100 * 1024 * 1024}`);
    expect(settings).toContain(`STAT item_size_max ${8 * 1024 * 1024}`);
  });

  test('has metrics, also while clients of the exporter send nothing, and says when the server is away', async () => {
    const exporter = await start('exporter', {}, 'metrics');
    await expect.poll(up, eventually).toBe('0');
    expect(exporter.output()).toContain('memcached-metrics: no answer');
    await start('open', {});
    await expect.poll(up, eventually).toBe('1');
    await askText('set a 0 0 1\r\nb\r\n');
    await askText('get a\r\n');
    expect(await readMetric(METRICS_PORT, 'memcached_current_items')).toBe('1');
    expect(await readMetric(METRICS_PORT, 'memcached_max_connections')).toBe('1024');
    expect(await readMetric(METRICS_PORT, 'memcached_commands_total{command="get",status="hit"}')).toBe('1');
    expect(await readMetric(METRICS_PORT, 'memcached_commands_total{command="set",status="hit"}')).toBe('1');
    const silent = Array.from({ length: SILENT_CLIENTS }, () => connect(METRICS_PORT, '127.0.0.1'));
    await Promise.all(silent.map((socket) => once(socket, 'connect')));
    await expect.poll(up, eventually).toBe('1');
    for (const socket of silent) socket.destroy();
  });

  test('requires the password by SASL, which the exporter has', async () => {
    const auth = { enabled: true, username: 'shop', password: PASSWORD };
    await start('sasl', { auth });
    await start('exporter', { auth }, 'metrics');
    await expect.poll(up, eventually).toBe('1');
    expect(await readMetric(METRICS_PORT, 'memcached_max_connections')).toBe('1024');
    const get = binary(GET, 'a');
    expect(statusOf((await ask(get))[0])).toBe(STATUS_AUTH);
    const wrong = await ask(binary(SASL_AUTH, 'PLAIN', '\0shop\0wrong'), get);
    expect(wrong.map(statusOf)).toEqual([STATUS_AUTH, STATUS_AUTH]);
    const right = await ask(binary(SASL_AUTH, 'PLAIN', `\0shop\0${PASSWORD}`), get);
    expect(right.map(statusOf)).toEqual([STATUS_OK, STATUS_MISSING]);
  });

  test('requires the password by the text protocol if a variable says so', async () => {
    const extraEnvVars = [{ name: 'MEMCACHED_AUTH_PROTOCOL', value: 'text' }];
    const password = PASSWORD.replaceAll(' ', '_');
    const auth = { enabled: true, username: 'shop', password };
    await start('text', { auth, extraEnvVars });
    await start('exporter', { auth }, 'metrics');
    await expect.poll(up, eventually).toBe('1');
    expect(await askText('get a\r\n')).toBe('CLIENT_ERROR unauthenticated');
    const login = `shop ${password}`;
    expect(await askText(`set login 0 0 ${login.length}\r\n${login}\r\n`)).toBe('STORED');
  });

  test('finds its keys again after a restart with persistence', async () => {
    const values = { architecture: 'high-availability', persistence: { enabled: true } };
    const rendered = { objects: await render(values), workload: 'StatefulSet/shop-memcached' };
    const first = await containers.start('kept', rendered);
    expect(await askText('set kept 0 0 5\r\nvalue\r\n')).toBe('STORED');
    const { lifecycle } = getContainer(rendered.objects, rendered.workload).container;
    // The container ends before the command of the hook.
    expect(await first.exec(lifecycle?.preStop?.exec.command ?? [])).toEqual({ code: -1, output: '' });
    await first.ended;
    // Waits for the next second, because Memcached starts with an empty cache if it stopped in the same second.
    const next = (Math.floor(Date.now() / SECOND_MS) + 1) * SECOND_MS;
    await expect.poll(() => Date.now(), { timeout: 2 * SECOND_MS }).toBeGreaterThan(next);
    await containers.start('kept', rendered);
    expect(await askText('get kept\r\n')).toContain('value');
  });
});
