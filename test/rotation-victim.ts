// A process that rotates keys. A test kills it.
import { openDatabase } from '../src/db/database.ts';
import { rotateKeys } from '../src/identity/key-rotation.ts';

const [url = '', file = ''] = process.argv.slice(2);
const { db, close } = openDatabase(url);
await rotateKeys(db, file);
await close();
