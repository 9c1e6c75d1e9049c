// Runs the suite of all targets on a content store.
import { testTarget } from '../../test/suites/target-conformance.ts';
import { memoryContent } from '../content/memory.ts';
import { contentTarget } from './content-target.ts';

testTarget('content store', async () => ({ target: contentTarget(memoryContent()) }));
