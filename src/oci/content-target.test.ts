// A store as a target, by the suite of all targets.
import { contentTarget } from './content-target.ts';
import { memoryContent } from './memory.ts';
import { testTarget } from './target-conformance.ts';

testTarget('content store', async () => ({ target: contentTarget(memoryContent()) }));
