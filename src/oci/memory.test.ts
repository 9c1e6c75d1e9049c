// The memory store, by the suite of all stores.
import { testContentStore } from './content-conformance.ts';
import { memoryContent } from './memory.ts';

testContentStore('memory', async () => ({ store: memoryContent() }));
