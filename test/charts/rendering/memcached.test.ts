// The renderings of the chart of Memcached.
import { testRendering } from '../rendering.ts';

testRendering('memcached');
