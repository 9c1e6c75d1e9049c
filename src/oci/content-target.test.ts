// A store as a target, by the suite of all targets.
import { testTarget } from '../../test/suites/target-conformance.ts';
import { contentTarget } from './content-target.ts';
import { memoryContent } from './memory.ts';

testTarget('content store', async () => ({ target: contentTarget(memoryContent()) }));
