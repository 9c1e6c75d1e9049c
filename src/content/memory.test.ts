// The memory store, by the suite of all stores.
import { testContentStore } from '../../test/suites/content-conformance.ts';
import { memoryContent } from './memory.ts';

testContentStore('memory', async () => ({ store: memoryContent() }));
