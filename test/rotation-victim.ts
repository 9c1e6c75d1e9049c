// A process that rotates keys, for a test to kill.
import { openDatabase } from '../src/db/database.ts';
import { rotateKeys } from '../src/identity/key-rotation.ts';

const [url = '', file = ''] = process.argv.slice(2);
const { db, close } = openDatabase(url);
await rotateKeys(db, file);
await close();
