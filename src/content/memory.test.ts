// Runs the suite of all content stores on the memory store.
import { testContentStore } from '../../test/suites/content-conformance.ts';
import { memoryContent } from './memory.ts';

testContentStore('memory', async () => ({ store: memoryContent() }));
