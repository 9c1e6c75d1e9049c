import { testContentStore } from './content-conformance.ts';
import { memoryContent } from './memory.ts';

testContentStore('memory', async () => ({ store: memoryContent() }));
