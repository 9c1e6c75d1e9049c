// A process that a test kills. It starts PostgreSQL, writes a row, sends a message to its parent, and waits.
import pg from 'pg';
import { startEmbedded } from '../src/db/embedded.ts';
import { unprivileged } from './global-setup.ts';

const [dataDirectory = ''] = process.argv.slice(2);
const { url } = await startEmbedded({ dataDirectory, ...unprivileged() });
const client = new pg.Client({ connectionString: url });
await client.connect();
await client.query('create table kept as select 7 as n');
process.send?.('ready');
